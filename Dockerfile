# syntax=docker/dockerfile:1
# A static binary on nothing: no shell, no libc, no package to patch.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg REVISION="$(git rev-parse --short=12 HEAD)" .
#
# Pin the image by its digest where you build releases.

# Alpine's Rust builds for musl, and so without a libc to load.
FROM rust:1.95-alpine AS build
ARG REVISION=unknown
WORKDIR /src
COPY . .
RUN REVISION="$REVISION" cargo build --locked --release

FROM scratch
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="image-pull-exporter" \
      org.opencontainers.image.description="Tells which containers of a Kubernetes cluster cannot get their image, since when, and why" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /src/target/release/image-pull-exporter /image-pull-exporter
# nobody; a number, so that Kubernetes can see that it is not root.
USER 65534:65534
EXPOSE 10137
ENTRYPOINT ["/image-pull-exporter"]
