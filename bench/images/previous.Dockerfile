# The previous release with services. Built by images.ts.
ARG PREVIOUS
FROM $PREVIOUS
COPY services.sh /bench/
RUN /bench/services.sh
