# Countersign as a container image: `docker build -t countersign .`
# A release names the base by digest: --build-arg PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
# pip stays outside the environment, and so outside the final image's environment.
RUN python3 -m venv --without-pip /opt/countersign
COPY requirements-build.lock requirements.lock ./
RUN python3 -m pip --python /opt/countersign/bin/python install \
      --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements.lock \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && python3 -m pip --python /opt/countersign/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/countersign /opt/countersign
COPY LICENSE /usr/share/doc/countersign/LICENSE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.description="A reverse proxy that signs in to APIs, so that your services need not." \
      org.opencontainers.image.documentation="https://countersign.example/" \
      org.opencontainers.image.source="https://countersign.example/source" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# The file system may be read-only: bytecode is compiled above, and only /tmp is written (the spool of large request bodies).
ENV PATH=/opt/countersign/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
# proxy, admin, metrics
EXPOSE 8080 8081 8082
ENTRYPOINT ["/opt/countersign/bin/countersign"]
CMD ["run", "--config", "/etc/countersign/countersign.yaml"]
