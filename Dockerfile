# One image for every process; docker-compose.yml says which one a container runs.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TZ=UTC PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/punctual

COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt \
    && useradd --system --no-create-home --uid 10001 punctual

COPY . .
USER punctual

ENV PORT=8000
EXPOSE 8000
# As in the Procfile; a test compares them. The shell is replaced, so that SIGTERM reaches the process itself.
CMD ["/bin/sh", "-c", "exec python -m app.web_server"]
