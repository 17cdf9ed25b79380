// Golden vectors: an uncompressed .npz, which speechtune export writes beside the model.

// Runs the model on the golden windows; gives every output with its largest difference and whether it is right.
export async function check(model, url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`there is no ${url} beside this page`);
  }
  const arrays = readNpz(await answer.arrayBuffer());
  const about = JSON.parse(arrays.about.values.join(""));
  const [numWindows, size] = arrays.waveforms.shape;
  const found = new Map();
  for (let window = 0; window < numWindows; window++) {
    const outputs = await model.run(arrays.waveforms.values.slice(window * size, (window + 1) * size));
    for (const layer of about.layers.filter(({ name }) => name in outputs)) {
      const tolerances = layer.parts.flatMap((part) => Array(part.size).fill(part.tolerance));
      const expected = arrays[layer.name].values.subarray(window * tolerances.length);
      const differences = outputs[layer.name].map((value, i) => Math.abs(value - expected[i]));
      const before = found.get(layer.name) ?? { difference: 0, isRight: true };
      found.set(layer.name, {
        difference: Math.max(before.difference, ...differences),
        isRight: before.isRight && differences.every((difference, i) => difference <= tolerances[i]),
      });
    }
  }
  return [...found].map(([name, layer]) => ({ name, ...layer }));
}

// The arrays of an .npz, which is a zip archive of .npy files; each has a shape and its values.
function readNpz(buffer) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (view.getUint32(end, true) !== 0x06054b50) {
    end--;
  }
  const arrays = {};
  let entry = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count--) {
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((place) => view.getUint16(entry + place, true));
    const name = new TextDecoder().decode(new Uint8Array(buffer, entry + 46, nameSize));
    const local = view.getUint32(entry + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = buffer.slice(start, start + view.getUint32(entry + 24, true));
    arrays[name.replace(/\.npy$/, "")] = readNpy(content);
    entry += 46 + nameSize + extraSize + commentSize;
  }
  return arrays;
}

function readNpy(buffer) {
  const view = new DataView(buffer);
  const [start, size] = view.getUint8(6) === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const head = new TextDecoder().decode(new Uint8Array(buffer, start, size));
  const shape = [...head.match(/'shape': \(([^)]*)\)/)[1].matchAll(/\d+/g)].map(Number);
  const content = buffer.slice(start + size);
  const kind = head.match(/'descr': '([^']*)'/)[1];
  if (kind === "<f4") {
    return { shape, values: new Float32Array(content) };
  }
  if (kind.startsWith("<U")) {
    return { shape, values: Array.from(new Uint32Array(content), (code) => (code ? String.fromCodePoint(code) : "")) };
  }
  throw new Error(`an array of ${kind} in the golden vectors`);
}
