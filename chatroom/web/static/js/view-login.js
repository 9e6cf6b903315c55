// Logging in and registering.

import * as api from "./api.js";
import { $ } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { languageSwitch, showError } from "./view-dialogs.js";
import { CODE, countCharacters } from "./wire.js";

export class LoginView {
  #entered;
  #notice = [];
  #goOn = null;

  /** `entered(user)` is called with who is logged in. */
  constructor(entered) {
    this.#entered = entered;
    languageSwitch($("login-language"));
    $("choose-login").addEventListener("click", () => this.#choose(false));
    $("choose-register").addEventListener("click", () => this.#choose(true));
    for (const button of document.querySelectorAll(".reveal")) {
      button.addEventListener("click", () => reveal(button));
    }
    onSubmit("login", () => this.#logIn());
    onSubmit("register", () => this.#register());
    $("login-go-on").addEventListener("click", () => this.#goOn.call());
    this.#takeInvite();
    onLanguage(() => {
      this.#notify();
      showError($("login-form"), null, null);
      showError($("register-form"), null, null);
    });
  }

  /**
   * `notice`: names and details of words that say why one has to log in; `userId` is filled in; `goOn`:
   * who is logged in already, {userName, call}, and may go on by a button.
   */
  show({ notice = [], userId = null, goOn = null } = {}) {
    this.#notice = notice;
    this.#goOn = goOn;
    this.#notify();
    if (userId) $("login-id").value = userId;
    $("login").hidden = false;
    if (this.busy) return undefined;
    // Where one is brought here while typing, the keys go nowhere, least of all where passwords go.
    if (notice.length) return $("login-notice").focus();
    const registering = !$("register-form").hidden;
    const first = registering ? "register-id" : $("login-id").value ? "login-password" : "login-id";
    return $(first).focus();
  }

  /** Who is in, or gone, leaves no password behind. */
  clear() {
    for (const id of ["login-password", "register-password"]) $(id).value = "";
  }

  /** Something is being filled in. */
  get busy() {
    return ["login-password", "register-name", "register-password"].some((id) => $(id).value);
  }

  #notify() {
    $("login-notice").hidden = !this.#notice.length;
    $("login-notice").textContent = this.#notice.map((words) => t(...words)).join(" ");
    $("login-go-on").hidden = !this.#goOn;
    $("login-go-on").textContent = this.#goOn && t("goOnAs", { name: this.#goOn.userName });
  }

  #choose(registering) {
    $("choose-login").setAttribute("aria-pressed", String(!registering));
    $("choose-register").setAttribute("aria-pressed", String(registering));
    $("login-form").hidden = registering;
    $("register-form").hidden = !registering;
    $(registering ? "register-id" : "login-id").focus();
  }

  /** An invitation comes in the link, and is not to stay in the address bar or its history. */
  #takeInvite() {
    const url = new URL(location.href);
    const invite = url.searchParams.get("invite");
    if (invite === null) return;
    url.searchParams.delete("invite");
    history.replaceState(history.state, "", url);
    $("register-invite").value = invite;
    this.#choose(true);
  }

  async #logIn() {
    const form = $("login-form");
    const userId = readId($("login-id"));
    const password = $("login-password").value;
    if (userId === null) return showError(form, $("login-id"), t("userIdWrong"));
    if (!password) return showError(form, $("login-password"), t("passwordMissing"));
    showError(form, null, null);
    return this.#enter(form, userId, password);
  }

  async #enter(form, userId, password) {
    const answer = await api.login(userId, password);
    const { code } = answer;
    if (code === CODE.OK) this.#entered({ userId: answer.userId ?? userId, userName: answer.userName ?? "" });
    else if (code === CODE.NO_SUCH_USER) showError(form, $("login-id"), t("noSuchUser"));
    else if (answer.until !== undefined) showError(form, null, t("ended", { words: answer.error }));
    else if (code === CODE.WRONG_PASSWORD) showError(form, $("login-password"), t("wrongPassword"));
    else showError(form, null, trouble(answer));
  }

  async #register() {
    const form = $("register-form");
    const [id, name, password] = ["register-id", "register-name", "register-password"].map($);
    const userId = readId(id);
    const userName = name.value.trim();
    if (userId === null) return showError(form, id, t("userIdWrong"));
    if (!userName || countCharacters(userName) > 32) return showError(form, name, t("nameMissing"));
    if (!password.value) return showError(form, password, t("passwordMissing"));
    showError(form, null, null);
    const user = { userId, userPwd: password.value, userName };
    const answer = await api.register(user, $("register-invite").value.trim());
    if (answer.code === CODE.OK) return this.#enter(form, userId, user.userPwd);
    if (answer.code === CODE.UNAVAILABLE) return showError(form, id, t("idTaken"));
    if (answer.code === CODE.REFUSED) return showError(form, null, answer.error || t("notRegistered"));
    return showError(form, null, trouble(answer));
  }
}

function reveal(button) {
  const show = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(show));
  button.parentElement.querySelector("input").type = show ? "text" : "password";
}

/** Submits once at a time, and shows that it is under way. */
function onSubmit(name, submit) {
  const button = $(`${name}-submit`);
  $(`${name}-form`).addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    await submit();
    button.removeAttribute("aria-busy");
  });
}

function readId(input) {
  // Input methods for Chinese give full-width digits.
  const text = input.value.trim().normalize("NFKC");
  const id = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  return id >= 1 && id <= Number.MAX_SAFE_INTEGER ? id : null;
}

function trouble({ code, retryAfter }) {
  if (code === 0) return t("noAnswer");
  if (code === CODE.TOO_FAST) return t("tooFast", { seconds: Math.ceil(retryAfter ?? 60) });
  if (code === CODE.UNAVAILABLE) return t("storeAway");
  return t("failed", { code });
}
