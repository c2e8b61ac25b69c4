# An image with only the program. It has not been tested; see docs/install.md.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.0.0-dev
RUN make static VERSION="$VERSION" && cp ".cache/static/$(go env GOARCH)/bouncetail" /bouncetail && mkdir /state

FROM scratch
COPY --from=build /bouncetail /usr/bin/bouncetail
# 65534 is nobody; --group-add lets it read the log.
COPY --from=build --chown=65534:65534 --chmod=0750 /state /var/lib/bouncetail
USER 65534:65534
VOLUME /var/lib/bouncetail
ENV PATH=/usr/bin
ENTRYPOINT ["/usr/bin/bouncetail"]
CMD ["run"]
