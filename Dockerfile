# docker build -t wallbox2mqtt .   For amd64, arm64 and arm/v7; nothing is compiled. For arm/v7 some packages have
# wheels only at a third party's index: --build-arg PIP_EXTRA_INDEX_URL=… names one (docs/install.md).
FROM python:3.13-slim-trixie AS build
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
COPY . .
# what builds the wheel is held to the same versions: before 26.2 pip takes them from the first, since then from the second
ENV PIP_CONSTRAINT=/src/constraints.txt \
    PIP_BUILD_CONSTRAINT=/src/constraints.txt
# dependencies as wheels, ourselves from here; pip stays behind
RUN python -m venv --without-pip /opt/wallbox2mqtt \
    && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && pip --python /opt/wallbox2mqtt/bin/python install --no-cache-dir --only-binary :all: /wheels/*.whl

FROM python:3.13-slim-trixie
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="wallbox2mqtt" \
      org.opencontainers.image.description="Wallbox chargers on MQTT, as fresh as the vendor's cloud allows" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
COPY --from=build /opt/wallbox2mqtt /opt/wallbox2mqtt
RUN install -d -o 10001 -g 10001 -m 700 /var/lib/wallbox2mqtt
ENV PATH=/opt/wallbox2mqtt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TZ=UTC \
    MALLOC_MMAP_THRESHOLD_=65536 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    WALLBOX2MQTT_STATE_DIR=/var/lib/wallbox2mqtt
USER 10001:10001
WORKDIR /var/lib/wallbox2mqtt
VOLUME /var/lib/wallbox2mqtt
# patience is in the command itself: what it calls unhealthy has lasted
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=1 CMD ["wallbox2mqtt", "health"]
# it handles SIGTERM and SIGINT itself and starts no other process: no init is needed in front of it
STOPSIGNAL SIGTERM
ENTRYPOINT ["wallbox2mqtt"]
CMD ["run"]
