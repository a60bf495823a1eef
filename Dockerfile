# One image for every stage: `docker run tidewire:0.1.0 run normalise`. Its servers come from TIDEWIRE_… settings.
FROM python:3.11.14-slim-bookworm AS build
RUN python -m venv /opt/tidewire
COPY requirements.lock /build/
RUN /opt/tidewire/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements.lock
COPY pyproject.toml README.md LICENSE /build/
COPY schemas /build/schemas
COPY dialects /build/dialects
COPY topology /build/topology
COPY producers /build/producers
COPY processors /build/processors
COPY sinks /build/sinks
COPY local /build/local
COPY console /build/console
COPY simulator /build/simulator
RUN /opt/tidewire/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /build

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --create-home tidewire && install -d -o tidewire /state
COPY --from=build /opt/tidewire /opt/tidewire
ENV PATH=/opt/tidewire/bin:$PATH PYTHONUNBUFFERED=1 TIDEWIRE_STATE_DIR=/state
USER tidewire
WORKDIR /home/tidewire
VOLUME /state
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["tidewire"]
CMD ["--help"]
