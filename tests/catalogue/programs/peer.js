// Node.js as a program: node peer.js serve|call PORT CERT KEY CA [OPTIONS AS JSON], "-" for none of them.
// A server asks for client certificates where it has a CA. A client asks for / of localhost,
// or with BY_ADDRESS set of 127.0.0.1, and then sends no name.
"use strict";
const fs = require("fs");
const https = require("https");

const [role, port, cert, key, ca, more] = process.argv.slice(2);
const read = (name) => (name && name !== "-" ? fs.readFileSync(name) : undefined);
const options = Object.assign({ cert: read(cert), key: read(key), ca: read(ca) }, JSON.parse(more || "{}"));

if (role === "serve") {
  const asking = options.ca ? { requestCert: true, rejectUnauthorized: true } : {};
  https
    .createServer(Object.assign(asking, options), (request, reply) => reply.end("welcome"))
    .listen(Number(port), "127.0.0.1", () => console.log("listening"));
} else {
  const where = { host: "127.0.0.1", servername: process.env.BY_ADDRESS ? "" : "localhost", port: Number(port), timeout: 5000 };
  https
    .get(Object.assign(where, options), (reply) => reply.resume())
    .on("error", (error) => console.log(error.code, error.message));
}
