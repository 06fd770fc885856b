# One image for every process; docker-compose.yml says which one a container runs.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TZ=UTC PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/punctual

COPY requirements.txt requirements-tasks.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt \
    && useradd --system --no-create-home --uid 10001 punctual

# Modules with task types of your own: mount them here, or copy them in an image FROM this one (docs/deployment.md).
ENV PYTHONPATH=/srv/tasks
COPY . .
# By number: Kubernetes' runAsNonRoot does not accept a name.
USER 10001

ENV PORT=8000
EXPOSE 8000
# For the web process. Other processes serve no HTTP, so `docker-compose.yml` disables it for them.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["python", "-m", "app.healthcheck"]
# As in the Procfile; a test compares them. The shell is replaced, so that SIGTERM reaches the process itself.
CMD ["/bin/sh", "-c", "exec python -m app.web_server"]
