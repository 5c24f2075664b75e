# Keylane in a container. `docker build -t keylane .` makes it; the README says how to run it.

FROM node:24-slim AS build
WORKDIR /keylane
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /keylane
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-slim
# Nothing is installed in a running container.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-*
# A container's own loopback is reached by nobody; what is published is said by whoever runs it.
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /keylane
COPY package.json LICENSE ./
COPY --from=dependencies /keylane/node_modules node_modules
COPY --from=build /keylane/dist dist
# The base image's user node, as a number: Kubernetes can tell only from that that it is not root.
USER 1000:1000
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "dist/node.js", "healthcheck"]
# Without a shell between, so that SIGTERM reaches the program.
ENTRYPOINT ["node", "dist/node.js"]
