// Runs in the audio thread: what the microphone gives, as little-endian int16, in pieces of a tenth of a second.

class PcmWriter extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new DataView(new ArrayBuffer(2 * Math.round(sampleRate / 10)));
    this.place = 0;
  }

  process([channels]) {
    // No channel: nothing is connected. The first one is enough; the server would take the mean of several.
    for (const sample of channels[0] ?? []) {
      const value = Math.round(32767 * Math.max(-1, Math.min(1, sample)));
      this.piece.setInt16(this.place, value, true);
      this.place += 2;
      if (this.place === this.piece.byteLength) {
        this.port.postMessage(this.piece.buffer.slice(0));
        this.place = 0;
      }
    }
    return true;
  }
}

registerProcessor("pcm-writer", PcmWriter);
