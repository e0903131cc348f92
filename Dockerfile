# Puna for CPUs: `docker build -t puna .`, then
#
#   docker run -p 11434:11434 -v puna:/root/.ollama puna
#
# The image holds one file with every CPU variant inside and the C library; the
# best variant is chosen when it starts. Not built by this project's checks,
# which run without Docker; `make dist`, the step that matters, is.
FROM golang:1.26-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake ninja-build && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=docker
RUN --mount=type=cache,target=/root/.cache make dist VERSION=$VERSION

# The same Debian as the build stage, so that the glibc is no older.
FROM debian:12-slim
COPY --from=build /src/dist/puna /usr/bin/puna
ENV PUNA_HOST=0.0.0.0:11434
EXPOSE 11434
VOLUME /root/.ollama
ENTRYPOINT ["/usr/bin/puna"]
CMD ["serve"]
