# Built from the lock file, run without a shell, a package manager or a writable file system.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Install scripts stay off: the image brings its own Node, which is the only thing one would fetch.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
    && npm prune --omit=dev --ignore-scripts \
    && mkdir -p /data

FROM gcr.io/distroless/nodejs24-debian13:nonroot
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY bin ./bin
COPY policies ./policies
COPY detections ./detections
COPY verifier ./verifier
# An empty directory of the right owner, which a new volume takes over.
COPY --from=build --chown=65532:65532 /data /var/lib/sluicegate
USER 65532:65532
EXPOSE 8787 8788
VOLUME /var/lib/sluicegate
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=5 \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:8788/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/nodejs/bin/node", "bin/sluicegate.mjs"]
CMD ["serve", "--data", "/var/lib/sluicegate"]
