// Elements without a framework: made by one function, and lists that keep their elements from one state to the next.

// An element. `properties` are attributes; functions become listeners of `onclick` and the like, and `false` leaves one out.
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  set(node, properties);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : value);
  }
  return node;
}

// Sets the text only where it is another one: what a screen reader listens to speaks at every change.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Lets the children of `parent` be one element per item, in order; elements that stay keep focus and state.
export function reconcile(parent, items, keyOf, create, update = () => {}) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  items.forEach((item, place) => {
    const key = String(keyOf(item));
    let node = old.get(key);
    old.delete(key);
    if (!node) {
      node = create(item);
      node.dataset.key = key;
    }
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
    update(node, item);
  });
  for (const node of old.values()) {
    if (node.contains(document.activeElement)) (node.nextElementSibling ?? parent).focus?.();
    node.remove();
  }
}

// An input does not lose what is being typed into it when the state comes again.
export function fill(input, value) {
  if (document.activeElement !== input && input.value !== String(value)) input.value = value;
}

let toastTimer = 0;

// One sentence that goes away by itself; errors stay longer.
export function toast(text, seconds = 8) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => place.classList.remove("shown"), seconds * 1000);
}
