// Follows one stream of audio and says what was said in it: examples/device/listen.py in JavaScript.

import { cut } from "./model.js";

export const RATE_HZ = 16000;
export const FRAME = 320; // 20 ms

const RISE_DB = 10; // above the background: sound begins
const FALL_DB = 20; // below its loudest 20 ms: it pauses, whatever the background is
const BACKGROUND_FRAMES = 250; // the background is what a quarter of the last 5 s is below
const HANGOVER_FRAMES = 12; // so much quiet ends it
const PREROLL = 2560; // soft consonants come before the sound rises
const KEEP_WINDOWS = 3;

export class Listener {
  constructor(model) {
    this.model = model;
    this.audio = new Float32Array(0);
    this.first = 0; // position of the oldest sample that is kept
    this.levels = [];
    this.began = null;
    this.loudest = -Infinity;
    this.quietFrames = 0;
    this.recent = [];
    this.nextHop = 0;
    this.mutedUntil = {};
  }

  // Takes 20 ms of audio, a Float32Array; gives what ends with it, each with seconds, keyword and confidence.
  async hear(frame) {
    this.keep(frame);
    const end = this.first + this.audio.length;
    const sounds = this.sounds(frame);
    if (this.began === null) {
      if (!sounds) {
        return [];
      }
      [this.began, this.nextHop, this.recent] = [end - FRAME - PREROLL, 0, []];
    }
    this.quietFrames = sounds ? 0 : this.quietFrames + 1;
    const heard = [];
    if (end - this.began > this.model.window) {
      heard.push(...(await this.passing(end)));
    }
    if (this.quietFrames === HANGOVER_FRAMES) {
      if (end - this.began <= this.model.window + HANGOVER_FRAMES * FRAME) {
        heard.push(...(await this.whole(this.began, end)));
      }
      [this.began, this.loudest] = [null, -Infinity];
    }
    return heard;
  }

  keep(frame) {
    const whole = new Float32Array(this.audio.length + frame.length);
    whole.set(this.audio);
    whole.set(frame, this.audio.length);
    const surplus = Math.max(whole.length - KEEP_WINDOWS * this.model.window, 0);
    this.audio = whole.subarray(surplus);
    this.first += surplus;
  }

  sounds(frame) {
    const level = 10 * Math.log10(frame.reduce((sum, value) => sum + value * value, 0) / frame.length + 1e-10);
    this.levels = [...this.levels.slice(1 - BACKGROUND_FRAMES), level];
    const background = [...this.levels].sort((a, b) => a - b)[Math.floor(this.levels.length / 4)];
    const isSound = level > Math.max(background + RISE_DB, this.loudest - FALL_DB);
    if (isSound || this.began !== null) {
      this.loudest = Math.max(this.loudest, level);
    }
    return isSound;
  }

  // A short stretch, placed by its energy in the middle of its window.
  async whole(start, end) {
    const piece = this.between(start, end);
    const blocks = Array.from({ length: Math.floor(piece.length / 400) }, (_, i) =>
      piece.subarray(400 * i, 400 * i + 400).reduce((sum, value) => sum + value * value, 0));
    const median = [...blocks].sort((a, b) => a - b)[Math.floor(blocks.length / 2)];
    const excess = blocks.map((block) => Math.max(block - median, 0) + 1e-12);
    const total = excess.reduce((sum, value) => sum + value, 0);
    const centre = start + Math.floor(excess.reduce((sum, value, i) => sum + value * (400 * i + 199.5), 0) / total);
    const from = centre - Math.floor(this.model.window / 2);
    return this.decided(await this.model.score(this.between(from, from + this.model.window)), start, 0);
  }

  // The newest window of long speech: the mean of several in a row, against a stricter threshold.
  async passing(end) {
    if (end < this.nextHop) {
      return [];
    }
    const { hop_ms, smoothing_windows, long_speech_caution } = this.model.detector;
    this.nextHop = end + (hop_ms * RATE_HZ) / 1000;
    const start = end - this.model.window;
    this.recent = [...this.recent, await this.model.score(this.between(start, end))].slice(-smoothing_windows);
    if (this.recent.length < smoothing_windows) {
      return [];
    }
    const mean = this.recent[0].map((_, i) => this.recent.reduce((sum, look) => sum + look[i], 0) / smoothing_windows);
    return this.decided(mean, start, long_speech_caution);
  }

  decided(posteriors, start, caution) {
    const { keywords, thresholds, detector } = this.model;
    const own = posteriors.slice(0, keywords.length);
    const best = own.indexOf(Math.max(...own));
    const keyword = keywords[best];
    let threshold = thresholds[keyword];
    if (caution && threshold > 0 && threshold < 1) {
      threshold = 1 / (1 + ((1 - threshold) / threshold) * Math.exp(-caution));
    }
    if (own[best] < threshold) {
      return [];
    }
    // Within long speech a word stays in several windows: it is told once.
    const now = this.first + this.audio.length;
    const isMuted = now < (this.mutedUntil[keyword] ?? 0);
    this.mutedUntil[keyword] = now + (detector.refractory_ms * RATE_HZ) / 1000;
    return isMuted ? [] : [{ seconds: Math.max(start, 0) / RATE_HZ, keyword, confidence: own[best] }];
  }

  between(start, end) {
    return cut(this.audio, start - this.first, end - start);
  }
}
