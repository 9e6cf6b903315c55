// Which messages are grouped under one name and time. No DOM.

/** Milliseconds from a group's first message; its author's messages within this time belong to it. */
const TOGETHER = 5 * 60_000;
/** How many messages back to look for a group's beginning. */
const MOST = 300;

function follows(message, earlier, sameDay) {
  return message.userId === earlier.userId && Math.abs(message.sentAt - earlier.sentAt) <= TOGETHER && sameDay(message, earlier);
}

/**
 * For each message from `messages[start]` on: whether it is the first of its group. `sameDay(a, b)`
 * compares two messages; `apart` says that something else is between two.
 */
export function grouping(messages, start, sameDay) {
  let from = start;
  while (from > 0 && start - from < MOST && follows(messages[from], messages[from - 1], sameDay)) from -= 1;
  let begun = -Infinity;
  const isFirst = (index, apart = false) => {
    const message = messages[index];
    const first = apart || index === 0 || !follows(message, messages[index - 1], sameDay) || Math.abs(message.sentAt - begun) > TOGETHER;
    if (first) begun = message.sentAt;
    return first;
  };
  for (let index = from; index < start; index += 1) isFirst(index);
  return isFirst;
}
