# The image. Built by `make build`, which makes the programs in dist/ first; afterwards `docker build .` does, too.

ARG BASE_IMAGE=ubuntu:16.04
FROM $BASE_IMAGE

LABEL org.opencontainers.image.title="baseimage" \
      org.opencontainers.image.description="A base image with a correct init, syslog, cron, ssh and runit"

# `--build-arg DISABLE_SSH=1` leaves a service out. Without a default here, image/buildconfig decides.
ARG DISABLE_SYSLOG
ARG DISABLE_SSH
ARG DISABLE_CRON

# The machine, amd64 or arm64. BuildKit sets it; other builders build for amd64 unless `--build-arg TARGETARCH=arm64` is given.
ARG TARGETARCH

# The system, in one layer, so that what is deleted at the end is not in the image at all.
COPY image dist*/ready.${TARGETARCH:-amd64}* /bd_build/
RUN machine=${TARGETARCH:-amd64}; \
    [ -e /bd_build/ready.$machine ] || { \
      echo "There is no dist/$machine: run \`make build\` (for another machine \`build/deno task build --target ...\`)" >&2; \
      exit 1; \
    }; \
    /bd_build/build.sh

# After the system, because they change most often. my_init and setuser are one file (hard links); one COPY keeps that.
# BuildKit first looks for all files that COPY names, but patterns may match nothing: so it comes to the message above.
COPY dist*/${TARGETARCH:-amd64}* /sbin/
COPY dist*/man* /usr/share/man/

ENV DEBIAN_FRONTEND=teletype \
    LANG=en_US.UTF-8 \
    LANGUAGE=en_US:en \
    LC_ALL=en_US.UTF-8

# A line for each service, by `docker inspect`. A first boot may take long, so until the first success a failure counts
# only after ten minutes.
HEALTHCHECK --interval=30s --timeout=30s --start-period=600s CMD ["/usr/bin/healthy"]

CMD ["/sbin/my_init"]
