// Logging in and registering.

import { CODE } from "../base/wire.js";
import * as api from "../browser/api.js";
import { $ } from "../browser/dom.js";
import { doing, onLanguage, t } from "../browser/i18n.js";
import { digits, idFault, languageSwitch, nameFault, passwordFault, refusalOf, showError } from "./forms.js";

/** The code of a registration whose number is taken; in a login it means something else. */
const TAKEN = CODE.UNAVAILABLE;
/** So many numbers are tried, if those that the page itself suggested turn out to be taken. */
const TRIES = 5;

export class LoginView {
  #entered;
  #suggested = "";
  #notice = [];
  #goOn = null;

  /**
   * `entered(user, isNew)` is called with the user who logged in, and whether the page chose their
   * number; `invite` is the invitation from the link, or null.
   */
  constructor(entered, invite) {
    this.#entered = entered;
    languageSwitch($("login-language"));
    $("choose-login").addEventListener("click", () => this.#choose(false));
    $("choose-register").addEventListener("click", () => this.#choose(true));
    for (const button of document.querySelectorAll(".reveal")) {
      button.addEventListener("click", () => reveal(button));
    }
    for (const name of ["login", "register"]) {
      $(`${name}-form`).addEventListener("input", unmark);
      $(`${name}-form`).addEventListener("focusout", judge);
    }
    $("register-suggest").addEventListener("click", () => {
      this.#takeSuggested();
      unmark({ target: $("register-id") });
      $("register-name").focus();
    });
    suggest();
    onSubmit("login", () => this.#logIn());
    onSubmit("register", () => this.#register());
    $("login-go-on").addEventListener("click", () => this.#goOn.call());
    if (invite !== null) {
      $("register-invite").value = invite;
      this.#choose(true);
    }
    onLanguage(() => {
      this.#notify();
      showError($("login-form"), null, null);
      showError($("register-form"), null, null);
      suggest();
    });
  }

  /**
   * `notice`: names and details of words that say why the person has to log in; `userId` is filled in;
   * `goOn`: a user who is logged in already, {userName, call}, and may go on by a button.
   */
  show({ notice = [], userId = null, goOn = null } = {}) {
    this.#notice = notice;
    this.#goOn = goOn;
    this.#notify();
    if (userId) $("login-id").value = userId;
    $("login").hidden = false;
    if (this.busy) return undefined;
    // If the form appears while the person is typing, the keys go nowhere, least of all into the password.
    if (notice.length) return $("login-notice").focus();
    const registering = !$("register-form").hidden;
    const first = registering ? "register-id" : $("login-id").value ? "login-password" : "login-id";
    return $(first).focus();
  }

  /** Empties the passwords, when the person has logged in or gone. */
  clear() {
    for (const id of ["login-password", "register-password"]) $(id).value = "";
  }

  /** Whether a password or a new name has been typed. */
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

  async #logIn() {
    const form = $("login-form");
    const [id, password] = ["login-id", "login-password"].map($);
    for (const [field, fault] of [[id, idFault(digits(id))], [password, passwordFault(password.value)]]) {
      if (fault) return showError(form, field, fault);
    }
    showError(form, null, null);
    return this.#enter(form, Number(digits(id)), password.value);
  }

  async #enter(form, userId, password, isNew = false) {
    const answer = await api.login(userId, password);
    const { code } = answer;
    if (code === CODE.OK) this.#entered({ userId: answer.userId ?? userId, userName: answer.userName ?? "" }, isNew);
    else if (code === CODE.NO_SUCH_USER) showError(form, $("login-id"), t("noSuchUser"));
    else if (answer.until !== undefined) showError(form, null, doing(answer));
    else if (code === CODE.WRONG_PASSWORD) showError(form, $("login-password"), t("wrongPassword"));
    else showError(form, null, trouble(answer));
  }

  async #register() {
    const form = $("register-form");
    const [id, name, password, invite] = ["id", "name", "password", "invite"].map((one) => $(`register-${one}`));
    for (const field of [id, name, password]) {
      const fault = FAULTS[field.id](field);
      if (fault) return showError(form, field, fault);
    }
    showError(form, null, null);
    const user = { userId: Number(digits(id)), userPwd: password.value, userName: name.value.trim() };
    const isSuggested = String(user.userId) === this.#suggested;
    let answer = await api.register(user, invite.value.trim());
    // Unless the person has typed another number meanwhile, or has left the form.
    const isWanted = () => isSuggested && digits(id) === String(user.userId) && id.offsetParent;
    for (let tries = 1; answer.code === TAKEN && tries < TRIES && isWanted(); tries += 1) {
      suggest();
      user.userId = this.#takeSuggested();
      answer = await api.register(user, invite.value.trim());
    }
    if (answer.code === CODE.OK) {
      this.#forgetSuggested();
      return this.#enter(form, user.userId, user.userPwd, isSuggested);
    }
    if (answer.code === TAKEN) {
      suggest();
      return showError(form, id, t("idTaken"));
    }
    const refusal = answer.code === CODE.REGISTER_FAILED && refusalOf(answer);
    if (refusal) return showError(form, { name, password, invite }[refusal.about] ?? null, refusal.text);
    // The account may have been made all the same: if its number is taken next time, it may be theirs.
    if ([0, CODE.REGISTER_FAILED].includes(answer.code)) this.#forgetSuggested();
    return showError(form, null, answer.code === CODE.REGISTER_FAILED ? t("notRegistered") : trouble(answer));
  }

  /** Keeps the number in the field as the person's own, and offers another one. */
  #forgetSuggested() {
    this.#suggested = "";
    suggest();
  }

  /** Puts the suggested number into the field. */
  #takeSuggested() {
    this.#suggested = $("register-suggest").dataset.id;
    $("register-id").value = this.#suggested;
    return Number(this.#suggested);
  }
}

/** Shows what is wrong with a field's value, as soon as the person leaves the field. */
const FAULTS = {
  "login-id": (field) => idFault(digits(field)),
  "register-id": (field) => idFault(digits(field)),
  "register-name": (field) => nameFault(field.value),
  "register-password": (field) => passwordFault(field.value),
};

/** The button that is being clicked: a message that appears now would move it away from the pointer. */
let pressed = null;
addEventListener("pointerdown", ({ target }) => (pressed = target.closest?.("button")), true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => (pressed = null), true);

function judge({ target: field }) {
  if (pressed) return;
  const fault = field.value && FAULTS[field.id]?.(field);
  if (fault) showError(field.form, field, fault, { focus: false });
}

/**
 * Hides a field's error once its value changes. Not when the person leaves it: they may leave it
 * by a click on a button, as above. Another field's error stays.
 */
function unmark({ target: field }) {
  if (field.getAttribute("aria-invalid") === "true") showError(field.form, null, null);
}

/** A number that is most likely free: only the server knows, and answers when somebody registers. */
function suggest() {
  const [chance] = crypto.getRandomValues(new Uint32Array(1));
  const id = 100_000 + (chance % 900_000);
  $("register-suggest").dataset.id = id;
  $("register-suggest").textContent = t("takeNumber", { id });
}

function reveal(button) {
  const show = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(show));
  button.parentElement.querySelector("input").type = show ? "text" : "password";
}

/** Submits once at a time, and shows that it is in progress. */
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

function trouble({ code, retryAfter }) {
  if (code === 0) return t("noAnswer");
  if (code === CODE.TOO_FAST) return t("tooFast", { seconds: Math.ceil(retryAfter ?? 60) });
  if (code === CODE.UNAVAILABLE) return t("storeAway");
  return t("failed", { code });
}
