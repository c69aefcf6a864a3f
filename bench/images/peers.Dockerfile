# The image that is measured, with its peers beside it. Built by images.ts.
# From 16.04's archive what it has. From Debian 12 the three small inits, which run on 16.04 as they are, and setpriv,
# which gets Debian's loader and libraries with it.
ARG OURS
ARG PREVIOUS
FROM debian:12 AS debian
RUN apt-get update && apt-get install --yes --no-install-recommends tini dumb-init catatonit
RUN mkdir /debian && cp /usr/bin/setpriv /debian/ && \
    ldd /debian/setpriv | grep -o '/[^ :]*\.so[^ ]*' | sort -u | xargs cp -Lt /debian && \
    cd /debian && ln -s ld-linux*.so.* loader

FROM $PREVIOUS AS previous
RUN mkdir /previous && cp /sbin/my_init /previous/ && ln /previous/my_init /previous/setuser

FROM $OURS
RUN apt-get update && apt-get install --yes --no-install-recommends gosu runit supervisor python3-minimal
COPY --from=debian /usr/bin/tini-static /usr/bin/dumb-init /usr/bin/catatonit /usr/local/bin/
COPY --from=debian /debian /debian
COPY --from=previous /previous /previous
COPY services.sh stopwatch.py /bench/
RUN /bench/services.sh
