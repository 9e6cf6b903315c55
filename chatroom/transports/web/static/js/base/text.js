// Splits what people wrote into text, emphasis, links, code, quotes and lists. It makes no nodes and
// no markup. The input may be hostile: each character is looked at a bounded number of times, and no
// pattern starts again within what it has tried before.

const FENCE = "```";

// Invisible characters, quotation marks and full-width punctuation end a link: the first can
// disguise where it leads, and after the last a Chinese sentence goes on without a space.
const STOP = String.raw`\s<>"\x60\p{C}\u2014\u2018-\u201F\u2026\u3000-\u303F\uFF00-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65`;
// Scripts that are written without spaces. They are never part of a link's host, and part of the rest
// only after a mark, as in /文档: directly after a letter the sentence goes on.
const DENSE = String.raw`\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Hang}\p{scx=Thai}`;
const HOST = String.raw`[^${STOP}${DENSE}/?#]+`;
const REST = String.raw`(?:[/?#][${DENSE}]*(?:[/?#=&_.~%+-][${DENSE}]+|[^${STOP}${DENSE}])*)?`;
const LABEL = "[a-z\\d-]{1,63}";
const MARKS = new RegExp(
  [
    String.raw`(?<code>\x60[^\x60\n]+\x60)`,
    String.raw`(?<link>\b(?:https?://|www\.)${HOST}${REST})`,
    String.raw`(?<mail>\b[\w.+-]{1,64}@${LABEL}(?:\.${LABEL}){1,8})`,
    String.raw`(?<star>\*+)`,
    String.raw`(?<end>\n)`,
  ].join("|"),
  "giu",
);
const TAIL = ".,;:!?'*_~";
const PAIRS = { ")": "(", "]": "[", "}": "{" };

/**
 * Blocks in order: {type: "code", text}, {type: "text" | "quote", parts}, and {type: "list", first,
 * items} with the parts of each item and the number of the first one, null where there are none.
 * Parts are {type: "text" | "code", text}, {type: "link", text, href} and {type: "em" | "strong",
 * parts}.
 */
export function parse(content) {
  const blocks = [];
  let from = 0;
  let open = nextFence(content, 0);
  while (open !== -1) {
    const close = content.indexOf(FENCE, open + FENCE.length);
    if (close === -1) break;
    const end = content[open - 1] === "\n" ? open - 1 : open;
    if (end > from) addLines(blocks, content.slice(from, end));
    blocks.push({ type: "code", text: codeOf(content.slice(open + FENCE.length, close)) });
    from = close + FENCE.length;
    if (content[from] === "\n") from += 1;
    open = nextFence(content, from);
  }
  if (from < content.length) addLines(blocks, content.slice(from));
  return blocks;
}

function nextFence(content, from) {
  let at = content.indexOf(FENCE, from);
  while (at > 0 && content[at - 1] !== "\n" && at !== from) at = content.indexOf(FENCE, at + 1);
  return at;
}

/** The word after the opening fence names a language; it is not part of the code. */
function codeOf(inside) {
  const from = /^[\w+#.-]*\n/.exec(inside)?.[0].length ?? 0;
  return inside.slice(from, inside.length > from && inside.endsWith("\n") ? -1 : undefined);
}

const ITEM = /^(?:[-*]|(\d{1,9})[.)]) /;

/** Lines of one kind that follow one another are one block. */
function addLines(blocks, text) {
  let run = null;
  const finish = () => {
    if (!run) return;
    const { type, first, lines } = run;
    if (type === "list") blocks.push({ type, first, items: lines.map(inline) });
    else blocks.push({ type, parts: inline(lines.join("\n")) });
  };
  for (const line of text.split("\n")) {
    const item = ITEM.exec(line);
    const type = item ? "list" : line.startsWith("> ") || line === ">" ? "quote" : "text";
    const numbered = item?.[1] !== undefined;
    if (!run || run.type !== type || run.numbered !== numbered) {
      finish();
      run = { type, numbered, first: numbered ? Number(item[1]) : null, lines: [] };
    }
    run.lines.push(item ? line.slice(item[0].length) : type === "quote" ? line.slice(2) : line);
  }
  finish();
}

function inline(text) {
  const emphasis = new Emphasis();
  let from = 0;
  MARKS.lastIndex = 0;
  for (let match = MARKS.exec(text); match; match = MARKS.exec(text)) {
    const { code, link, mail, star, end } = match.groups;
    const shown = link ? trimLink(link) : match[0];
    const href = link ? address(shown) : mail ? `mailto:${shown}` : null;
    if ((link || mail) && href === null) continue;
    emphasis.text(text.slice(from, match.index));
    if (code) emphasis.put({ type: "code", text: code.slice(1, -1) });
    else if (star) emphasis.star(star, text[match.index - 1], text[match.index + star.length]);
    else if (end) emphasis.line();
    else emphasis.put({ type: "link", text: shown, href });
    from = match.index + shown.length;
    MARKS.lastIndex = from;
  }
  emphasis.text(text.slice(from));
  return emphasis.end();
}

const KINDS = { "*": "em", "**": "strong" };

/** Finds the parts between stars within a line. At most one of each kind is open. */
class Emphasis {
  #open = [{ star: "", parts: [] }];

  put(part) {
    this.#open.at(-1).parts.push(part);
  }

  text(text) {
    if (text === "") return;
    const { parts } = this.#open.at(-1);
    // Only text that was not taken for a mark is joined again: each character once.
    if (parts.at(-1)?.pieces) parts.at(-1).pieces.push(text);
    else parts.push({ type: "text", pieces: [text] });
  }

  /** A star opens before a text and closes after it; between letters or digits it is a plain star. */
  star(star, before, after) {
    const opens = after !== undefined && !/\s/.test(after) && !/\w/.test(before ?? "");
    const closes = before !== undefined && !/\s/.test(before) && !/\w/.test(after ?? "");
    const at = this.#open.findIndex((level) => level.star === star);
    if (closes && at > 0 && (this.#open.length > at + 1 || this.#open[at].parts.length)) {
      this.#flatten(at + 1);
      const { parts } = this.#open.pop();
      this.put({ type: KINDS[star], parts });
    } else if (opens && at === -1 && star in KINDS) this.#open.push({ star, parts: [] });
    else this.text(star);
  }

  line() {
    this.#flatten(1);
    this.text("\n");
  }

  end() {
    this.#flatten(1);
    return joined(this.#open[0].parts);
  }

  /** Marks opened from this level on and never closed are plain text. */
  #flatten(level) {
    while (this.#open.length > level) {
      const { star, parts } = this.#open.pop();
      this.text(star);
      for (const part of parts) {
        if (part.pieces) part.pieces.forEach((piece) => this.text(piece));
        else this.put(part);
      }
    }
  }
}

function joined(parts) {
  return parts.map(({ pieces, parts: inner, ...part }) => {
    if (pieces) part.text = pieces.join("");
    if (inner) part.parts = joined(inner);
    return part;
  });
}

/** Without the punctuation that belongs to the sentence around it. */
function trimLink(link) {
  const surplus = {};
  for (const [closing, opening] of Object.entries(PAIRS)) surplus[closing] = count(link, closing) - count(link, opening);
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link[end - 1];
    if (surplus[last] > 0) surplus[last] -= 1;
    else if (!TAIL.includes(last)) break;
  }
  return link.slice(0, end);
}

function count(text, character) {
  return text.split(character).length - 1;
}

function address(link) {
  try {
    const bare = /^www\./i.test(link);
    const url = new URL(bare ? `https://${link}` : link);
    return /^https?:$/.test(url.protocol) && (bare ? /^www\.[^.]+\../ : /./).test(url.hostname) ? url.href : null;
  } catch {
    return null;
  }
}

/** One line for a list: no line breaks, no marks of code or weight, at most `most` characters. */
export function summary(content, most = 120) {
  return content.slice(0, most * 4).replace(/`|\*\*/g, "").replace(/\s+/g, " ").trim().slice(0, most);
}

/** The text as the server accepts it: no NUL, no half characters, no blanks around it but an indent. */
export function clean(text) {
  const whole = text.toWellFormed ? text.toWellFormed() : text.replace(/\p{Surrogate}/gu, "\uFFFD");
  const ended = whole.replaceAll("\0", "").trimEnd();
  const indent = ended.length - ended.trimStart().length;
  return ended.slice(ended.lastIndexOf("\n", indent) + 1);
}
