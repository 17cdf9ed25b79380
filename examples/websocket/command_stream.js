// One stream of audio to a speechtune server, over a WebSocket.
//
//   const stream = new CommandStream("ws://localhost:50552/v1/stream", { audio: { encoding: "LINEAR16", … } });
//   stream.addEventListener("detection", ({ detail }) => console.log(detail.detection.label));
//   stream.send(piece);   // bytes of audio, cut anywhere
//   stream.end();         // what was sent is answered, then comes "ended"
//
// Every message of the server is an event of its own name: started, detection, rejected, interim, activity, heartbeat,
// ended. "closed" comes last: `detail.error` says what went wrong, and `detail.retrySeconds` when to try again.

const SUBPROTOCOL = "speechtune.v1";
const RETRY = "type.googleapis.com/google.rpc.RetryInfo";

export class CommandStream extends EventTarget {
  // `config` is a StreamingConfig of the contract, as JSON; `key` is NAME.SECRET, where the server asks for keys.
  constructor(address, config, key = "") {
    super();
    this.error = null;
    // A page cannot set headers: the key travels as a further sub-protocol.
    const protocols = key ? [SUBPROTOCOL, `${SUBPROTOCOL}.key.${key}`] : [SUBPROTOCOL];
    this.socket = new WebSocket(address, protocols);
    this.socket.addEventListener("open", () => this.#tell({ config }));
    this.socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    this.socket.addEventListener("close", ({ code }) => this.#close(code));
  }

  send(piece) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(piece);
    }
  }

  // Decide now on what was said so far, and go on.
  flush() {
    this.#tell({ control: { flush: {} } });
  }

  // Report other commands from here on, such as [{ label: "stop", threshold: 0.8 }].
  updateCommands(commands) {
    this.#tell({ control: { updateCommands: { commands } } });
  }

  end() {
    this.#tell({ control: { end: {} } });
  }

  #tell(request) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(request));
    }
  }

  #receive(response) {
    if (response.error) {
      this.error = response.error;
      return;
    }
    const name = ["started", "detection", "rejected", "interim", "activity", "heartbeat", "ended"].find(
      (one) => one in response,
    );
    if (name) {
      this.dispatchEvent(new CustomEvent(name, { detail: response }));
    }
  }

  #close(code) {
    const told = this.error?.details.find((detail) => detail["@type"] === RETRY);
    // 1012: the server is being stopped; 1006: it cannot be reached, or turns pages of this origin away.
    const retrySeconds = told ? parseFloat(told.retryDelay) : code === 1012 ? 1 : null;
    const message = this.error?.message ?? (code === 1006 ? "the server cannot be reached, or lets this page not in" : "");
    this.dispatchEvent(new CustomEvent("closed", { detail: { code, error: message, retrySeconds } }));
  }
}
