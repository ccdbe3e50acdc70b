# syntax=docker/dockerfile:1
# Builds an image that contains only the statically linked binary: no shell, no libc, no packages.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg REVISION="$(git rev-parse --short=12 HEAD)" .
#
# For release builds, pin the base image by its digest.

# Rust on Alpine targets musl, which links statically.
FROM rust:1.95-alpine AS build
ARG REVISION=unknown
WORKDIR /src
COPY . .
RUN REVISION="$REVISION" cargo build --locked --release

FROM scratch
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="image-pull-exporter" \
      org.opencontainers.image.description="Exports which containers of a Kubernetes cluster cannot pull their image, since when, and why" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /src/target/release/image-pull-exporter /image-pull-exporter
# A numeric user, as runAsNonRoot requires.
USER 65534:65534
EXPOSE 10137
ENTRYPOINT ["/image-pull-exporter"]
