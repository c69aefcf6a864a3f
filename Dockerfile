# The image. Built by `make build`, which runs `deno task build` first so that dist/ exists.

ARG BASE_IMAGE=ubuntu:16.04
FROM $BASE_IMAGE

LABEL org.opencontainers.image.title="baseimage" \
      org.opencontainers.image.description="A base image with a correct init, syslog, cron, ssh and runit"

# `--build-arg DISABLE_SSH=1` leaves a service out. Without a default here, image/buildconfig decides.
ARG DISABLE_SYSLOG
ARG DISABLE_SSH
ARG DISABLE_CRON

# The system, in one layer, so that what is deleted at the end is not in the image at all.
COPY image /bd_build
RUN /bd_build/build.sh

# After the system, because they change most often. my_init and setuser are one file, and stay so in one COPY.
COPY dist/ /sbin/

ENV DEBIAN_FRONTEND=teletype \
    LANG=en_US.UTF-8 \
    LANGUAGE=en_US:en \
    LC_ALL=en_US.UTF-8

CMD ["/sbin/my_init"]
