// What people wrote, taken apart into text, links and code. It makes no nodes and no markup.

const FENCE = "```";

// Invisible characters and full-width punctuation end a link: the first can disguise where it
// leads, and the second is how a Chinese sentence goes on without a space.
const LINK = /\bhttps?:\/\/[^\s<>"`\p{C}\u3000-\u303F\uFF00-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]+/giu;
const TAIL = /[.,;:!?'*_~]$/;
const PAIRS = { ")": "(", "]": "[", "}": "{" };

/**
 * Blocks in order: {type: "code", text} is set apart, and {type: "text", parts} holds parts
 * {type: "text" | "code", text} and {type: "link", text, href}.
 */
export function parse(content) {
  const blocks = [];
  let from = 0;
  let open = nextFence(content, 0);
  while (open !== -1) {
    const close = content.indexOf(FENCE, open + FENCE.length);
    if (close === -1) break;
    addText(blocks, content.slice(from, open).replace(/\n$/, ""));
    const inside = content.slice(open + FENCE.length, close);
    // The word behind the opening fence names a language; it is no part of the code.
    const code = inside.replace(/^[\w+#.-]*\n/, "").replace(/\n$/, "");
    blocks.push({ type: "code", text: code });
    from = close + FENCE.length;
    if (content[from] === "\n") from += 1;
    open = nextFence(content, from);
  }
  addText(blocks, content.slice(from));
  return blocks;
}

function nextFence(content, from) {
  let at = content.indexOf(FENCE, from);
  while (at > 0 && content[at - 1] !== "\n" && at !== from) at = content.indexOf(FENCE, at + 1);
  return at;
}

function addText(blocks, text) {
  if (text !== "") blocks.push({ type: "text", parts: inline(text) });
}

function inline(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/`([^`\n]+)`/g)) {
    addLinks(parts, text.slice(from, match.index));
    parts.push({ type: "code", text: match[1] });
    from = match.index + match[0].length;
  }
  addLinks(parts, text.slice(from));
  return parts;
}

function addLinks(parts, text) {
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimLink(match[0]);
    const href = address(shown);
    if (href === null) continue;
    if (match.index > from) parts.push({ type: "text", text: text.slice(from, match.index) });
    parts.push({ type: "link", text: shown, href });
    from = match.index + shown.length;
  }
  if (from < text.length) parts.push({ type: "text", text: text.slice(from) });
}

/** Without the punctuation that belongs to the sentence around it. */
function trimLink(link) {
  for (;;) {
    const last = link.at(-1);
    const opening = PAIRS[last];
    const unpaired = opening && count(link, last) > count(link, opening);
    if (!unpaired && !TAIL.test(link)) return link;
    link = link.slice(0, -1);
  }
}

function count(text, character) {
  return text.split(character).length - 1;
}

function address(link) {
  try {
    const url = new URL(link);
    return /^https?:$/.test(url.protocol) && url.hostname ? url.href : null;
  } catch {
    return null;
  }
}

/** One line for a list: no line breaks, no marks of code, not more than `most` characters. */
export function summary(content, most = 120) {
  return content.slice(0, most * 4).replaceAll("`", "").replace(/\s+/g, " ").trim().slice(0, most);
}
