// Pages of what was said earlier, asked for once each. No DOM.

/** Messages in a page. */
const PAGE = 50;
/** Of a private conversation's newest page: enough to count what is unread. */
const NEWEST_PAGE = 100;

export class History {
  #requests;
  #online;
  #arrived;
  #changed;
  #loading = new Map();

  /**
   * `arrived(conversation, page, place)` takes an answer, `changed(key)` is told when the loading
   * begins and ends.
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

  /** The newest page, unless it is here already. Urgent: the person is looking at it. */
  newest(conversation, { urgent = false } = {}) {
    if (!conversation.loaded) this.#load(conversation, null, urgent);
  }

  /** The page before the oldest message that is here. */
  older(conversation) {
    if (conversation.more && conversation.oldest) this.#load(conversation, conversation.oldest.seq, true);
  }

  async #load(conversation, place, urgent) {
    const { key, peer } = conversation;
    // What is not here when the connection comes back is asked for then.
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
      // A broken connection is told elsewhere, and mends itself.
      if (error.code) conversation.failed = error.code;
      else if (error.code === undefined) throw error;
    } finally {
      this.#loading.delete(key);
      this.#changed(key);
    }
  }
}
