# s6, which needs a newer C library than 16.04 has, on Debian 12. Built by images.ts.
FROM debian:12
RUN apt-get update && apt-get install --yes --no-install-recommends s6
COPY services.sh /bench/
RUN /bench/services.sh
