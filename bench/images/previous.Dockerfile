# The previous release with services. Built by subjects.ts.
ARG PREVIOUS
FROM $PREVIOUS
COPY services.sh /bench/
RUN /bench/services.sh
