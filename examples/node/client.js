// Spoken commands from a speechtune server, one JSON line an event.
//
//   npm install
//   arecord -q -f S16_LE -r 16000 -c 1 -t raw | node client.js 127.0.0.1:50551
//
// SPEECHTUNE_KEY=NAME.SECRET sends an API key; SPEECHTUNE_CA=ca.pem uses TLS.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const PROTO = path.join(__dirname, "..", "..", "proto", "speechtune", "v1", "command_recognition.proto");
const contract = grpc.loadPackageDefinition(
  protoLoader.loadSync(PROTO, { keepCase: true, enums: String, longs: Number, oneofs: true }),
).speechtune.v1;

// A zero is not sent.
const seconds = (duration) => (duration.seconds || 0) + (duration.nanos || 0) / 1e9;

function connect(address) {
  const authorities = process.env.SPEECHTUNE_CA;
  const credentials = authorities
    ? grpc.credentials.createSsl(fs.readFileSync(authorities))
    : grpc.credentials.createInsecure();
  // Pings keep a router's mapping alive; the server permits one every 10 s.
  return new contract.CommandRecognition(address, credentials, {
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_permit_without_calls": 1,
  });
}

function metadata() {
  const entries = new grpc.Metadata();
  if (process.env.SPEECHTUNE_KEY) entries.set("authorization", `Bearer ${process.env.SPEECHTUNE_KEY}`);
  return entries;
}

// Streams `source` (S16_LE, 16 kHz, mono), calls `onEvent` for every event; resolves when the server has ended.
function stream(client, source, onEvent) {
  return new Promise((resolve, reject) => {
    const call = client.StreamingRecognize(metadata());
    call.on("data", onEvent);
    call.on("error", reject);
    call.on("end", resolve);
    call.write({ config: { audio: { encoding: "LINEAR16", sample_rate_hertz: 16_000, channels: 1 } } });
    source.on("data", (content) => {
      // write() says when the server does not keep up: then wait, so that nothing piles up here.
      if (!call.write({ audio: { content } })) {
        source.pause();
        call.once("drain", () => source.resume());
      }
    });
    source.on("end", () => call.end());
    source.on("error", (error) => call.destroy(error));
  });
}

async function main() {
  const client = connect(process.argv[2] || "127.0.0.1:50551");
  await stream(client, process.stdin, (response) => {
    if (response.event === "detection") {
      const { label, confidence, start_offset, end_offset } = response.detection;
      const said = { event: "detection", label, confidence, start: seconds(start_offset), end: seconds(end_offset) };
      console.log(JSON.stringify(said));
    } else if (response.event === "started" || response.event === "ended") {
      console.log(JSON.stringify({ event: response.event, ...response[response.event] }));
    }
  });
  client.close();
}

module.exports = { connect, stream, contract, grpc };

if (require.main === module) {
  main().catch((error) => {
    console.error(`${grpc.status[error.code] || error.name}: ${error.details || error.message}`);
    process.exit(1);
  });
}
