// Pages of older messages, each fetched once. No DOM.

/** Messages in a page. */
const PAGE = 50;
/** Messages in a private conversation's newest page: enough to count the unread ones. */
const NEWEST_PAGE = 100;

export class History {
  #requests;
  #online;
  #arrived;
  #changed;
  #loading = new Map();

  /**
   * `arrived(conversation, page, place)` takes an answer; `changed(key)` is called when loading begins
   * and ends.
   */
  constructor({ requests, online, arrived, changed }) {
    this.#requests = requests;
    this.#online = online;
    this.#arrived = arrived;
    this.#changed = changed;
  }

  isLoading(key) {
    return this.#loading.has(key);
  }

  /** Fetches the newest page, unless it is here already. Urgent: the person is looking at it. */
  newest(conversation, { urgent = false } = {}) {
    if (!conversation.loaded) this.#load(conversation, null, urgent);
  }

  /** Fetches the page before the oldest message that is here. */
  older(conversation) {
    if (conversation.more && conversation.oldest) this.#load(conversation, conversation.oldest.seq, true);
  }

  async #load(conversation, place, urgent) {
    const { key, peer } = conversation;
    // Pages that are still missing when the connection comes back are fetched then.
    if (this.#loading.has(key) || !this.#online()) return;
    const data = peer === null ? { room: key } : { with: peer };
    data.limit = peer === null || place ? PAGE : NEWEST_PAGE;
    if (place) data.before = place;
    this.#loading.set(key, place);
    this.#changed(key);
    try {
      const page = await this.#requests.ask("HistoryMes", data, "HistoryResMes", { urgent });
      conversation.failed = undefined;
      this.#arrived(conversation, page, place);
    } catch (error) {
      // A broken connection is reported elsewhere, and is made again by itself.
      if (error.code) conversation.failed = error.code;
      else if (error.code === undefined) throw error;
    } finally {
      this.#loading.delete(key);
      this.#changed(key);
    }
  }
}
