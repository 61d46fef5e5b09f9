# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies first: this layer stays until Cargo.toml, Cargo.lock, build.rs or crates/ change. Cargo wants to see
# every file that Cargo.toml names, so tests/main.rs is there too.
COPY Cargo.toml Cargo.lock build.rs ./
COPY crates crates
RUN mkdir src tests templates \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs tests/main.rs \
 && cargo build --release --locked --no-default-features

# Then the service. COPY keeps file times, which can be older than the build above, and cargo compares times.
COPY migrations migrations
COPY templates templates
COPY src src
RUN touch build.rs src/main.rs src/lib.rs \
 && cargo build --release --locked --no-default-features


FROM debian:bookworm-slim
# To verify the certificates of the database and the mail server.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/vestibule /usr/local/bin/vestibule

# A number, so that an orchestrator sees that it is not root.
USER 10001:10001
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["vestibule", "health"]
ENTRYPOINT ["vestibule"]
