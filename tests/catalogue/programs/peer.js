// Node.js as a program: node peer.js serve|call PORT CERT KEY CA [OPTIONS AS JSON], "-" for none of them.
// A server asks for client certificates where it has a CA. A client asks for / of localhost,
// or with BY_ADDRESS set of 127.0.0.1, and then sends no name.
// With ANSWERS set a server lets everybody in, and answers why a certificate does not verify; CRL is a file of CRLs.
"use strict";
const fs = require("fs");
const https = require("https");

const [role, port, cert, key, ca, more] = process.argv.slice(2);
const read = (name) => (name && name !== "-" ? fs.readFileSync(name) : undefined);
const lists = (name) => name && read(name).toString().match(/-----BEGIN[^]+?-----END X509 CRL-----/g);
const options = Object.assign({ cert: read(cert), key: read(key), ca: read(ca) }, JSON.parse(more || "{}"));

if (role === "serve") {
  const answers = Boolean(process.env.ANSWERS);
  const asking = options.ca ? { requestCert: true, rejectUnauthorized: !answers, crl: lists(process.env.CRL) } : {};
  https
    .createServer(Object.assign(asking, options), (request, reply) => {
      const error = request.socket.authorizationError;
      reply.statusCode = answers && error ? 403 : 200;
      reply.end(answers && error ? JSON.stringify({ error }) : "welcome");
    })
    .listen(Number(port), "127.0.0.1", () => console.log("listening"));
} else {
  const where = { host: "127.0.0.1", servername: process.env.BY_ADDRESS ? "" : "localhost", port: Number(port), timeout: 5000 };
  https
    .get(Object.assign(where, options), (reply) => reply.resume())
    .on("error", (error) => console.log(error.code, error.message));
}
