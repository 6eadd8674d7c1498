# The api (and nothing of the worker's needs): docker build -t geard/api .
# The digest names one image for good, so that every build begins with the same Node.js and Debian. Renew tag and digest once a
# month and for security fixes: docker buildx imagetools inspect node:24-bookworm-slim. To build from another registry:
# docker build --build-arg NODE_IMAGE=registry.example.com/node:24 -t geard/api .
ARG NODE_IMAGE=node:24.20.0-bookworm-slim@sha256:ba849c60be29959425b8734d57b8b4b7d56f98edd9504c9af091d5281095a71e
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
RUN npm ci --no-audit --no-fund
COPY scripts/build.mjs ./scripts/
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY bin ./bin
USER node
EXPOSE 2223
ENTRYPOINT ["node", "bin/gear", "api"]
