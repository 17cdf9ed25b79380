// In the audio thread: passes the sound on, sample by sample as it is, in blocks of about 20 ms.
const BLOCK = 1024;

class SoundTap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
    this.next = null;
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    const lost = this.next !== null && currentFrame !== this.next;
    this.next = currentFrame + samples.length;
    if (lost) this.port.postMessage("lost");
    for (let start = 0; start < samples.length; ) {
      const part = samples.subarray(start, start + BLOCK - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      start += part.length;
      if (this.filled === BLOCK) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(BLOCK);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("sound-tap", SoundTap);
