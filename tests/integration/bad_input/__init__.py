"""Tables of requests that are refused, each with its exact status, problem and field errors."""
