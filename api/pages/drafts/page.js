"use strict";
// The page of drafts: asks the API with the key that was typed in, and builds everything from texts. No text of a draft
// ever becomes markup (the policy of the page forbids it, too), and no link of a draft can be followed from here.
(() => {
  const one = (selector, inside = document) => inside.querySelector(selector);
  const PAGE = 50, AT_ONCE = 500, MOST = 5000, PART = 100, KEY = "waymark.key", KEYS = "waymark.keys";
  const STATES = [
    ["proposed", "To decide"], ["wanted", "Being written"], ["approved", "Approved"], ["rejected", "Rejected"],
    ["failed", "Failed"], ["replaced", "Replaced"],
  ];
  const STATE = { proposed: "waits for a person", wanted: "is being written", approved: "approved", rejected: "rejected", failed: "failed", replaced: "replaced" };
  const stateOf = (text) => text.taken_back_at ? "taken back" : STATE[text.state];
  const here = { key: sessionStorage.getItem(KEY), state: "proposed", items: [], shown: [], page: 0, current: null, draft: null, chosen: new Set(), round: 0, isBusy: false, hasMore: false };

  // -- small things ----------------------------------------------------------------------------------------------

  const el = (tag, given = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name in made && typeof value === "boolean") made[name] = value;
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  };
  const count = (number, what, many = `${what}s`) => `${number.toLocaleString("en-GB")} ${number === 1 ? what : many}`;
  const news = (text) => { one("#news").textContent = text; };
  const tongues = (() => { try { return new Intl.DisplayNames(["en"], { type: "language" }); } catch { return null; } })();
  const tongue = (tag) => {
    if (tag === null) return "own language";
    try { return tongues ? tongues.of(tag) : tag; } catch { return tag; }
  };
  const when = (instant) => instant && new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));
  const forWhom = (item) => item.learner ? `for ${item.learner} alone` : item.value === null ? "for all" : item.value;
  const called = (item) => [item.message, tongue(item.language), forWhom(item)].join(", ");

  // -- the API ---------------------------------------------------------------------------------------------------

  class Refused extends Error {
    constructor(status, problem) {
      super(problem.detail || `the API answers with ${status}`);
      this.status = status; this.code = problem.code || ""; this.problems = problem.problems || [];
    }
  }
  const once = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  const ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${here.key}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (method === "POST") headers["idempotency-key"] = once();
    let answer;
    for (let left = method === "GET" ? 2 : 3; ; left -= 1) {
      try {
        answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit" });
      } catch {
        answer = null;
      }
      if ((answer && answer.status !== 503) || !left) break;
      await new Promise((go) => setTimeout(go, 700));
    }
    if (!answer) throw new Refused(0, { code: "unreachable", detail: "the API cannot be reached: is it running, and are you connected?" });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, said);
    return said;
  };

  const complain = (error, doing) => {
    if (error.status === 401) return lock("This key does not hold, or no longer. Type in one that does.");
    const rest = error.problems.map((problem) => el("li", {}, problem.detail || problem.code)).slice(0, 20);
    const box = one("#trouble");
    box.replaceChildren(el("p", {}, el("strong", {}, `${doing} did not work: `), `${error.message}.`), rest.length ? el("ul", {}, rest) : "",
      el("div", { class: "actions" }, el("button", { type: "button", class: "plain", onclick: quiet }, "All right")));
    box.hidden = false;
    if (!(error instanceof Refused)) console.error(error);
  };
  const quiet = () => { one("#trouble").hidden = true; };

  const busy = async (doing, work) => {
    if (here.isBusy) return undefined;
    here.isBusy = true; quiet();
    try { return await work(); } catch (error) { complain(error, doing); return undefined; } finally { here.isBusy = false; }
  };

  // -- the key ---------------------------------------------------------------------------------------------------

  const lock = (why = "") => {
    here.key = null; here.round += 1; here.items = []; here.draft = here.current = null; here.chosen.clear();
    sessionStorage.removeItem(KEY);
    one("#draft").replaceChildren(); one("#list").replaceChildren();
    one("#room").hidden = true; one("#door").hidden = false; one("#key-fault").textContent = why; one("#key").value = ""; one("#key").focus();
  };
  const unlock = async () => {
    one("#door").hidden = true; one("#room").hidden = false;
    await load();
  };
  one("#door-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    here.key = one("#key").value.trim();
    try { await ask("GET", "/v1/drafts?limit=1"); } catch (error) {
      return error.status === 401 ? lock("This key is not one of this installation.") : lock(`${error.message}.`);
    }
    sessionStorage.setItem(KEY, here.key);
    one("#key").value = "";
    return unlock();
  });
  one("#leave").addEventListener("click", () => lock("Your key is forgotten."));

  // -- the list --------------------------------------------------------------------------------------------------

  const progress = (done, all) => {
    const bar = one("#progress");
    bar.hidden = done === null;
    if (done !== null) { bar.max = all || 1; bar.value = done; }
  };

  const load = async () => {
    const round = here.round += 1;
    const state = here.state;
    here.items = []; here.chosen.clear(); here.page = 0; here.hasMore = false;
    drawStates(); news("Loading …"); quiet();
    try {
      let cursor = null;
      do {
        const query = new URLSearchParams({ state, limit: AT_ONCE });
        if (cursor) query.set("cursor", cursor);
        const page = await ask("GET", `/v1/drafts?${query}`);
        if (round !== here.round) return;
        here.items.push(...page.items);
        cursor = page.next; here.hasMore = Boolean(cursor);
        news(`${count(here.items.length, "draft")} ${cursor ? "so far …" : "loaded."}`);
        drawList();
      } while (cursor && here.items.length < MOST);
      if (here.hasMore) news(`The newest ${MOST.toLocaleString("en-GB")} drafts are shown; decide on some, then load again.`);
    } catch (error) { if (round === here.round) complain(error, "Loading the drafts"); }
    if (round !== here.round || !here.key) return;
    drawList();
    const named = location.hash.slice(1);  // an id has nothing that is written otherwise in an address
    const first = here.items.find((item) => item.id === named) || here.shown[0];
    if (named && !here.items.some((item) => item.id === named)) await show(named, { isQuiet: true });
    else if (first) await show(first.id);
    else drawDraft(null);
  };

  const { compare } = new Intl.Collator("en", { numeric: true });
  const ordered = (items) => [...items].sort((a, b) =>
    compare(a.journey, b.journey) || compare(a.message, b.message) || compare(a.value || "", b.value || "") ||
    compare(a.language || "", b.language || "") || b.number - a.number);

  const FILTERS = { journey: (item) => item.journey, message: (item) => item.message, language: (item) => item.language === null ? "" : item.language };
  const filters = () => Object.fromEntries(Object.keys(FILTERS).map((name) => [name, one(`#f-${name}`).value]));
  const NONE = "\u0000";

  const fits = (item, but) => {
    const wanted = filters();
    for (const [name, of] of Object.entries(FILTERS)) {
      if (name !== but && wanted[name] && (wanted[name] === NONE ? "" : wanted[name]) !== of(item)) return false;
    }
    const found = one("#f-found").value;
    if (found === "clean" && item.found.hard + item.found.soft) return false;
    if (found === "fit" && item.found.hard) return false;
    if (found === "hard" && !item.found.hard) return false;
    const words = one("#f-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return true;
    const text = [item.message, item.value, item.learner, item.subject, item.body, item.id].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  };

  const drawFilters = () => {
    for (const [name, of] of Object.entries(FILTERS)) {
      const select = one(`#f-${name}`), was = select.value, counts = new Map();
      for (const item of here.items) if (fits(item, name)) counts.set(of(item), (counts.get(of(item)) || 0) + 1);
      const whole = [...counts.values()].reduce((sum, number) => sum + number, 0);
      if (was && !counts.has(was === NONE ? "" : was)) counts.set(was === NONE ? "" : was, 0);
      const words = (value) => name === "language" ? tongue(value === "" ? null : value) : value;
      select.replaceChildren(el("option", { value: "" }, `all (${whole})`),
        ...[...counts].sort(([a], [b]) => a.localeCompare(b)).map(([value, number]) => el("option", { value: value || NONE }, `${words(value)} (${number})`)));
      select.value = was;
    }
  };

  const drawStates = () => {
    one("#states").replaceChildren(...STATES.map(([state, words]) => {
      const isHere = state === here.state;
      const number = isHere && here.items.length ? ` (${here.items.length.toLocaleString("en-GB")}${here.hasMore ? "+" : ""})` : "";
      return el("button", { type: "button", "aria-pressed": String(isHere), onclick: () => { here.state = state; location.hash = ""; here.current = null; load(); } }, words + number);
    }));
  };

  const badge = (item) => {
    if (item.body === null) return "";
    if (item.found.hard) return el("span", { class: "badge hard" }, `${item.found.hard} hard`);
    if (item.found.soft) return el("span", { class: "badge soft" }, `${item.found.soft} to look at`);
    return el("span", { class: "badge good" }, "nothing found");
  };

  const drawList = () => {
    drawFilters(); drawStates();
    here.shown = ordered(here.items.filter((item) => fits(item)));
    const pages = Math.max(1, Math.ceil(here.shown.length / PAGE));
    here.page = Math.min(Math.max(here.page, 0), pages - 1);
    const from = here.page * PAGE, part = here.shown.slice(from, from + PAGE);
    one("#list").replaceChildren(...part.map((item) => el("li", { class: item.id === here.current ? "is-here" : null, "data-draft": item.id },
      el("input", { type: "checkbox", checked: here.chosen.has(item.id), "aria-label": `Select ${called(item)}`, onchange: (event) => choose(item.id, event.target.checked) }),
      el("button", { type: "button", "aria-current": item.id === here.current ? "true" : null, onclick: () => show(item.id, { hasFocus: true }) },
        el("b", {}, item.subject || (item.body === null ? `(${STATE[item.state]})` : "(no subject)")),
        el("small", {}, `${item.message} · ${tongue(item.language)} · ${forWhom(item)}`),
        el("small", {}, badge(item), ` ${item.journey}${item.number > 1 ? ` · text ${item.number}` : ""}`)))));
    if (!part.length) one("#list").append(el("li", { class: "empty" }, here.items.length ? "Nothing fits these filters." : "Nothing is here."));
    one("#place").textContent = here.shown.length ? `${from + 1} to ${from + part.length} of ${here.shown.length}` : "";
    one("#back").disabled = here.page === 0; one("#on").disabled = here.page >= pages - 1;
    drawMany();
  };

  const drawMany = () => {
    const mine = here.shown.filter((item) => here.chosen.has(item.id)).length;
    const all = one("#all"), button = one("#approve-many");
    all.checked = mine > 0 && mine === here.shown.length; all.indeterminate = mine > 0 && mine < here.shown.length;
    one("#all-label").textContent = here.chosen.size ? `${here.chosen.size} selected` : `Select all ${here.shown.length || ""}`;
    button.hidden = here.state !== "proposed";
    button.disabled = !here.chosen.size;
    button.textContent = here.chosen.size ? `Approve ${here.chosen.size}` : "Approve selected";
  };

  const choose = (id, isChosen) => {
    if (isChosen) here.chosen.add(id); else here.chosen.delete(id);
    const box = one(`#list li[data-draft="${CSS.escape(id)}"] input`);
    if (box) box.checked = isChosen;
    drawMany();
  };
  one("#all").addEventListener("change", (event) => {
    for (const item of here.shown) if (event.target.checked) here.chosen.add(item.id); else here.chosen.delete(item.id);
    drawList();
  });
  for (const id of ["f-journey", "f-message", "f-language", "f-found"]) one(`#${id}`).addEventListener("change", () => again());
  one("#f-text").addEventListener("input", () => again());
  const again = () => {
    here.chosen.clear(); here.page = 0; drawList();
    news(`${count(here.shown.length, "draft")} of ${here.items.length.toLocaleString("en-GB")} fit.`);
  };
  one("#back").addEventListener("click", () => { here.page -= 1; drawList(); });
  one("#on").addEventListener("click", () => { here.page += 1; drawList(); });
  one("#reload").addEventListener("click", () => load());

  // -- one draft: its text ---------------------------------------------------------------------------------------

  const PLACEHOLDER = /\{\{[^{}]{0,200}\}\}/g;
  const chip = (raw) => {
    const path = raw.slice(2, -2).split("|")[0].trim();
    const words = path.split(".").slice(path.includes(".") ? 1 : 0).filter((part) => part !== "data").join(" ").replaceAll("_", " ");
    return el("span", { class: "chip", title: raw }, `‹${words}›`);
  };
  const withChips = (text) => {
    const out = [];
    let rest = 0;
    for (const found of text.matchAll(PLACEHOLDER)) { out.push(text.slice(rest, found.index), chip(found[0])); rest = found.index + found[0].length; }
    return [...out, text.slice(rest)];
  };

  // A finding quotes the text as it is read: without marks, with plain quotes, a blank for each placeholder.
  const LIKE = { "'": "['’‘ʼ]", '"': "[\"“”„]", "-": "[-–—‑]", "▢": "\\{\\{[^{}]{0,200}\\}\\}" };
  const pattern = (quote) => {
    const words = quote.replace(/…$/, "").replace(/^[\s▢]+(?=.*[^\s▢])|[\s▢]+$/g, "").split(/\s+/).filter(Boolean);
    if (!words.length) return null;
    const escaped = (char) => LIKE[char] || char.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    let source = "";
    words.forEach((word, place) => {
      if (place) source += word.includes("▢") || words[place - 1].includes("▢") ? "[\\s*_`]*" : "[\\s*_`]+";
      source += [...word].map(escaped).join("[*_`\u00ad\u200b]*");
    });
    const first = /^[\p{L}\p{N}]/u.test(words[0]) ? "(?<![\\p{L}\\p{N}])" : "";
    const last = /[\p{L}\p{N}]$/u.test(words[words.length - 1]) && !quote.endsWith("…") ? "(?![\\p{L}\\p{N}])" : "";
    try { return new RegExp(first + source + last, "giu"); } catch { return null; }
  };
  const places = (text, findings) => {
    const found = [];
    findings.forEach((finding, place) => {
      const looked = finding.quote ? pattern(finding.quote) : null;
      if (looked) for (const match of [...text.matchAll(looked)].slice(0, 5)) found.push({ from: match.index, to: match.index + match[0].length, numbers: [place + 1], finding });
    });
    found.sort((a, b) => a.from - b.from || b.to - a.to);
    const kept = [];
    for (const each of found) {
      const last = kept[kept.length - 1];
      if (!last || each.from >= last.to) kept.push(each); else if (!last.numbers.includes(each.numbers[0])) last.numbers.push(each.numbers[0]);
    }
    return kept;
  };
  const marked = (text, findings) => {
    const out = [];
    let rest = 0;
    for (const { from, to, numbers, finding } of places(text, findings)) {
      out.push(...withChips(text.slice(rest, from)), el("mark", { class: finding.severity, title: finding.detail }, withChips(text.slice(from, to)), el("sup", {}, numbers.join(" "))));
      rest = to;
    }
    return [...out, ...withChips(text.slice(rest))];
  };

  // Markdown as far as messages have it, as nodes. A link shows where it would lead and leads nowhere.
  const INLINE = /(\*\*|__)(?=\S)(.+?)\1|(\*|_)(?=\S)(.+?)\3(?![\p{L}\p{N}])|`([^`]+)`|!?\[([^\]]*)\]\(<?([^)>\s]*)>?\)|(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]'*_])/gu;
  const goes = (words, url) => el("span", { class: "goes" }, words || url, words && words !== url ? el("small", {}, ` (${url})`) : "");
  const inline = (text) => {
    const out = [];
    let rest = 0;
    for (const m of text.matchAll(INLINE)) {
      out.push(text.slice(rest, m.index));
      rest = m.index + m[0].length;
      if (m[2]) out.push(el("strong", {}, inline(m[2])));
      else if (m[4]) out.push(el("em", {}, inline(m[4])));
      else if (m[5]) out.push(el("code", {}, m[5]));
      else if (m[8]) out.push(goes("", m[8]));
      else out.push(goes(m[6], m[7]));
    }
    return [...out, text.slice(rest)];
  };
  const lines = (text) => text.split("\n").flatMap((line, place) => place ? [el("br"), ...inline(line)] : inline(line));
  const markdown = (text) => text.trim().split(/\n\s*\n/).map((block) => {
    const rows = block.split("\n");
    const list = (mark) => rows.every((row) => mark.test(row)) && rows.map((row) => el("li", {}, inline(row.replace(mark, ""))));
    const points = list(/^\s*[-*+]\s+/), numbers = points ? null : list(/^\s*\d+[.)]\s+/);
    if (points) return el("ul", {}, points);
    return numbers ? el("ol", {}, numbers) : el("p", {}, lines(block));
  });

  // -- one draft: all of it --------------------------------------------------------------------------------------

  const findingsOf = (draft) => [...draft.findings].sort((a, b) => (a.severity === "hard" ? 0 : 1) - (b.severity === "hard" ? 0 : 1));

  const drawFindings = (draft, findings) => {
    if (draft.body === null) return "";
    const list = [
      ...draft.unsendable.map((why) => el("li", { class: "hard" }, el("strong", {}, "It cannot be sent. "), why)),
      ...findings.map((finding, place) => el("li", { class: finding.severity },
        el("span", { class: "number" }, `${place + 1} `), el("strong", {}, `${finding.check.replaceAll("_", " ")}${finding.severity === "hard" ? ", hard" : ""}: `), finding.detail,
        finding.quote ? el("q", {}, finding.quote.replaceAll("▢", "‹…›")) : "")),
    ];
    return el("section", { "aria-labelledby": "h-found" }, el("h3", { id: "h-found" }, "What the rules found"),
      list.length ? el("ul", { class: "findings" }, list) : el("p", { class: "well" }, "Nothing. A person decides all the same."));
  };

  const letter = (subject, body) => el("div", { class: "letter" }, el("p", { class: "subject" }, subject), body);
  const textOf = (draft, findings) => letter(marked(draft.subject || "(no subject)", findings), el("div", { class: "body" }, marked(draft.body, findings)));

  const previewOf = (draft) => {
    const seen = draft.preview;
    if (!seen) return "";
    const values = Object.entries(seen.values);
    return section("As somebody would read it", seen.problem ? el("p", { class: "fault" }, `Nobody could: ${seen.problem}.`)
      : letter(seen.subject, [...markdown(seen.text), seen.link && !seen.text.includes(seen.link.url) ? el("p", {}, goes(seen.link.label, seen.link.url)) : ""]),
    values.length ? el("p", { class: "hint" }, `With made-up values: ${values.map(([path, value]) => `${path} = ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ")}.`) : "");
  };

  const changes = (parts) => parts.map((part) => part.kind === "same" ? withChips(part.text) : el(part.kind === "added" ? "ins" : "del", {},
    el("span", { class: "unseen" }, part.kind === "added" ? " [added: " : " [removed: "), withChips(part.text), el("span", { class: "unseen" }, "] ")));
  const differenceOf = (draft) => {
    if (!draft.difference) return "";
    const { subject, body } = draft.difference;
    const isSame = [...subject, ...body].every((part) => part.kind === "same");
    return section("What differs from the text approved last", isSame ? el("p", {}, "Nothing: it is the same text.")
      : letter(changes(subject), el("div", { class: "body" }, changes(body))));
  };

  const section = (title, ...inside) => el("section", {}, el("h3", {}, title), ...inside);
  const folded = (title, ...inside) => el("details", {}, el("summary", {}, title), el("div", {}, ...inside));
  const pairs = (given) => el("dl", { class: "fields" }, given.filter(([, value]) => value).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

  const orderOf = (draft) => pairs([
    ["Brief", draft.brief.brief], ["Tone", draft.brief.tone], ["Length", draft.brief.max_words && `at most ${draft.brief.max_words} words`],
    ["Goes by", draft.brief.channels.join(", ")], ["Placeholders", draft.placeholders.length ? draft.placeholders.map((path) => [chip(`{{ ${path} }}`), " "]) : "none"],
    ["Without it", draft.fallback.body && el("div", { class: "body" }, draft.fallback.subject ? el("strong", {}, withChips(draft.fallback.subject), "\n") : "", withChips(draft.fallback.body))],
  ]);

  // Who decided what, and why. Of a text that went once it is told who approved it, whatever became of it then.
  const decided = (text) => {
    const did = text.state === "replaced" ? "approved" : text.state;
    return [
      text.decided_by && `${did} by ${text.decided_by}, ${when(text.decided_at)}${text.approved_despite ? ` in spite of ${count(text.approved_despite, "hard finding")}` : ""}`,
      text.taken_back_at ? `taken back by ${text.taken_back_by}, ${when(text.taken_back_at)}` : text.state === "replaced" && "replaced",
    ].filter(Boolean).join("; ") + (text.reason ? `: ${text.reason}` : "");
  };
  const otherText = (text) => el("li", {}, el("p", {}, el("strong", {}, `${text.language === undefined ? "" : tongue(text.language)} text ${text.number}, ${text.decided_by ? "" : stateOf(text)}`),
    text.decided_by ? decided(text) : text.reason ? `: ${text.reason}` : ""),
  text.body === null ? "" : el("details", {}, el("summary", {}, text.subject || "The text"), el("div", { class: "body" }, withChips(text.body))));
  const others = (title, texts) => texts.length ? folded(`${title} (${texts.length})`, el("ul", {}, texts.map(otherText))) : "";

  const promptOf = (draft) => {
    const { system, user, schema, ...rest } = draft.prompt;
    const part = (title, text) => text ? [el("h3", {}, title), el("pre", { tabindex: "0" }, typeof text === "string" ? text : JSON.stringify(text, null, 2))] : "";
    if (!system && !user) return folded("The exact prompt", el("p", {}, "None: no model was asked for this text."));
    return folded("The exact prompt", part("Told once for all", system), part("Asked", user), part("The form of the answer", schema), Object.keys(rest).length ? part("Besides", rest) : "");
  };

  const written = (draft) => {
    const by = draft.written_by ? `written by ${draft.written_by}` : `drafted by ${draft.model || "a model"}`;
    return draft.origin === "reuse" ? `the text that the same order has already, ${by}` : by;
  };
  const costOf = (draft) => draft.cost.calls ? `${count(draft.cost.calls, "call")}, ${(draft.cost.tokens_in + draft.cost.tokens_out).toLocaleString("en-GB")} tokens` : null;

  const bar = (draft) => {
    const buttons = [];
    const act = (words, key, name, doing, given = {}) => buttons.push(el("button", { type: "button", onclick: doing, "aria-keyshortcuts": key, "data-act": name, ...given }, words, el("kbd", { "aria-hidden": "true" }, key)));
    if (draft.state === "proposed") {
      act("Approve", "A", "approve", approve, draft.unsendable.length ? { disabled: true, title: `It cannot be sent: ${draft.unsendable[0]}` } : {});
      act("Reject …", "R", "reject", reject, { class: "danger" });
    }
    if (draft.state === "approved") act("Take back …", "T", "take-back", takeBack, { class: "danger" });
    if (draft.body !== null || ["wanted", "failed"].includes(draft.state)) act("Edit …", "E", "edit", edit, { class: "plain" });
    if (["failed", "rejected"].includes(draft.state) || draft.taken_back_at) buttons.push(el("button", { type: "button", class: "plain", "data-act": "again", onclick: writeAgain }, "Have it written again"));
    return el("div", { class: "bar", role: "group", "aria-label": "Decide" }, buttons);
  };

  const drawDraft = (draft) => {
    here.draft = draft;
    const place = one("#draft");
    if (!draft) return place.replaceChildren(el("p", { class: "empty" }, here.items.length ? "Choose a draft." : "There is nothing to decide here."));
    const findings = findingsOf(draft);
    place.replaceChildren(
      el("h2", { id: "draft-title" }, draft.subject || `${draft.message}: ${STATE[draft.state]}`),
      el("ul", { class: "tags", "aria-label": "About this draft" },
        ...[draft.journey, draft.message, tongue(draft.language), draft.learner ? forWhom(draft) : draft.per ? `${draft.per} = ${draft.value}` : "for all", `text ${draft.number}`, stateOf(draft), written(draft), draft.wanted_by && `asked for by ${draft.wanted_by}`, costOf(draft),
          draft.is_ordered ? null : "the running version asks for another text"].filter(Boolean).map((text) => el("li", {}, text))),
      draft.decided_by ? el("p", { class: "hint" }, decided(draft)) : draft.reason ? el("p", { class: "fault" }, draft.reason) : "",
      bar(draft),
      draft.body === null ? el("p", {}, "There is no text yet.") : el("div", { class: "beside" }, section("The text", textOf(draft, findings)), drawFindings(draft, findings)),
      differenceOf(draft), previewOf(draft),
      section("What was ordered", orderOf(draft)),
      others("Earlier texts", draft.earlier), others("Later texts", draft.later), others("Other languages", draft.languages), promptOf(draft));
    place.setAttribute("aria-labelledby", "draft-title");
    return undefined;
  };

  const show = async (id, { hasFocus = false, isQuiet = false } = {}) => {
    const asked = here.current = id;
    if (here.draft && here.draft.id !== id) here.draft = null; // nothing is decided on one that she has left
    history.replaceState(null, "", `#${encodeURIComponent(id)}`);
    const place = here.shown.findIndex((item) => item.id === id);
    if (place >= 0) here.page = Math.floor(place / PAGE);
    drawList();
    const row = one("#list li.is-here");
    if (row) row.scrollIntoView({ block: "nearest" });
    try {
      const draft = await ask("GET", `/v1/drafts/${encodeURIComponent(id)}`);
      if (here.current !== asked) return;
      drawDraft(draft);
      one("#draft").scrollTop = 0;
      if (hasFocus) one("#draft").focus({ preventScroll: true });
      if (!isQuiet && place >= 0) news(`${place + 1} of ${here.shown.length}: ${called(draft)}. ${count(draft.findings.length, "finding")}.`);
    } catch (error) { if (here.current === asked) { drawDraft(null); complain(error, "Opening the draft"); } }
  };

  const step = (by) => {
    const place = here.shown.findIndex((item) => item.id === here.current);
    const next = here.shown[Math.min(Math.max(place + by, 0), here.shown.length - 1)];
    if (next && next.id !== here.current) show(next.id);
  };

  // -- deciding --------------------------------------------------------------------------------------------------

  const dialog = one("#ask");
  // Shows a dialog and answers what came of it, or null where it was put away. `read` says what was entered, or as a text
  // why it will not do; `act` does it. What the API refuses as unfit is said in the dialog, where nothing typed is lost.
  const put = (title, words, { yes, kind = null, inside = [], read = () => true, act = async (given) => given }) => new Promise((answer, fail) => {
    const form = one("#ask-form");
    const fault = el("p", { class: "fault", role: "alert" });
    form.replaceChildren(el("h2", { id: "ask-title" }, title), ...[words].flat().filter(Boolean).map((text) => typeof text === "string" ? el("p", {}, text) : text), ...inside, fault,
      el("div", { class: "actions" }, el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, yes ? "Cancel" : "Close"), yes ? el("button", { type: "submit", class: kind, "data-act": "yes" }, yes) : ""));
    let came = null, isActing = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const said = read();
      if (typeof said === "string") { fault.textContent = said; return; }
      if (isActing) return;
      isActing = true; fault.textContent = "";
      try { came = await act(said); dialog.close(); } catch (error) {
        if (error.status === 422 || error.status === 0 || error.status >= 500) fault.textContent = [`${error.message}.`, ...error.problems.slice(1).map((problem) => `${problem.detail}.`)].join(" ");
        else { fail(error); dialog.close(); }
      } finally { isActing = false; }
    };
    dialog.addEventListener("close", () => answer(came), { once: true });
    dialog.showModal();
    (one("textarea, input", form) || one("button", form)).focus();
  });

  // What was decided leaves the list, and the next one takes its place.
  const gone = async (id, words) => {
    const place = here.shown.findIndex((item) => item.id === id);
    const left = here.shown.filter((item) => item.id !== id), hasFocus = one("#draft").contains(document.activeElement);
    here.items = here.items.filter((item) => item.id !== id); here.chosen.delete(id);
    drawList();
    const next = left[Math.min(Math.max(place, 0), left.length - 1)];
    if (next) await show(next.id, { isQuiet: true, hasFocus });
    else { here.current = null; history.replaceState(null, "", location.pathname + location.search); drawDraft(null); }
    news(`${words} ${count(here.items.length, "draft")} left.`);
  };

  // Somebody else was faster: what stands there now is shown, and why nothing was done.
  const overtaken = async (error, doing, id) => {
    complain(error, doing);
    if (["draft_decided", "draft_replaced"].includes(error.code)) {
      here.items = here.items.filter((item) => item.id !== id);
      drawList();
    }
    if (here.current === id) await show(id, { isQuiet: true });
  };
  const decide = (doing, work) => busy(doing, async () => {
    const draft = here.draft;
    try { await work(draft); } catch (error) { if (error.status === 401 || !(error instanceof Refused)) throw error; await overtaken(error, doing, draft.id); }
  });
  const at = (draft, what) => `/v1/drafts/${encodeURIComponent(draft.id)}/${what}`;

  const approve = () => here.draft && here.draft.state === "proposed" && !here.draft.unsendable.length && decide("Approving", async (draft) => {
    const hard = findingsOf(draft).filter((finding) => finding.severity === "hard");
    if (hard.length) {
      const sure = await put(`${count(hard.length, "hard finding")} ${hard.length === 1 ? "stands" : "stand"} against it`, "You can approve it all the same. That stays written down, under the name of your key.",
        { yes: "Approve in spite of this", kind: "danger", inside: [el("ul", {}, hard.map((finding) => el("li", {}, `${finding.check.replaceAll("_", " ")}: ${finding.detail}`)))] });
      if (!sure) return;
    }
    await ask("POST", at(draft, "approve"), { despite_findings: hard.length > 0 });
    await gone(draft.id, `Approved: ${called(draft)}.`);
  });

  // Why not: the reason, and whether another text is to be written.
  const refuse = (draft, what, title, words, yes) => {
    const reason = el("textarea", { id: "reason", rows: "3", maxlength: "1000", required: true }), again_ = el("input", { type: "checkbox", checked: true });
    return put(title, words, {
      yes, kind: "danger",
      inside: [el("label", { class: "legend", for: "reason" }, "Why? The next text is told."), reason, el("label", { class: "switch" }, again_, "Have another one written")],
      read: () => reason.value.trim() ? { reason: reason.value.trim(), again: again_.checked } : "Say what is wrong with it: the next text is told.",
      act: (given) => ask("POST", at(draft, what), given),
    });
  };
  const reject = () => here.draft && here.draft.state === "proposed" && decide("Rejecting", async (draft) => {
    const said = await refuse(draft, "reject", "Reject this text", null, "Reject");
    if (!said) return;
    await gone(draft.id, `Rejected: ${called(draft)}.${said.again ? " Another one is being written." : ""}`);
  });
  const takeBack = () => here.draft && here.draft.state === "approved" && decide("Taking it back", async (draft) => {
    const said = await refuse(draft, "take-back", "Take back this text", "It is sent no more, from now on. The message goes in its own words until another text is approved.", "Take back");
    if (!said) return;
    await gone(draft.id, `Taken back: ${called(draft)}.${said.again ? " Another one is to stand in its place." : ""}`);
  });

  const edit = () => here.draft && decide("Keeping the text", async (draft) => {
    const from = draft.body === null ? draft.fallback : draft;
    const subject = el("input", { id: "e-subject", maxlength: "1000" }), body = el("textarea", { id: "e-body", rows: "12" });
    subject.value = from.subject || ""; body.value = from.body || "";
    const insert = (path) => { body.setRangeText(`{{ ${path} }}`, body.selectionStart, body.selectionEnd, "end"); body.focus(); };
    const made = await put("Edit the text", draft.state === "approved" ? "The approved text is sent until this one is approved." : "It is checked again, and waits for approval as a text of yours.", {
      yes: "Keep it",
      inside: [el("label", { class: "legend", for: "e-subject" }, "Subject"), subject, el("label", { class: "legend", for: "e-body" }, "Text"), body,
        draft.placeholders.length ? el("p", { class: "hint" }, "Put in: ", draft.placeholders.map((path) => [el("button", { type: "button", class: "plain", onclick: () => insert(path) }, chip(`{{ ${path} }}`)), " "])) : ""],
      read: () => body.value.trim() ? { subject: subject.value, body: body.value } : "A message needs a text.",
      act: (given) => ask("POST", at(draft, "edit"), given),
    });
    if (!made) return;
    if (draft.state !== "approved") here.items = here.items.filter((item) => item.id !== draft.id);
    if (made.state === here.state) here.items = [...here.items.filter((item) => item.id !== made.id), itemOf(made)];
    here.chosen.delete(draft.id); drawList();
    await show(made.id, { hasFocus: true, isQuiet: true });
    news(`Kept, and checked: ${count(made.findings.length, "finding")}. It waits for approval.`);
  });
  const itemOf = (draft) => ({ ...draft, found: { hard: draft.findings.filter((f) => f.severity === "hard").length, soft: draft.findings.filter((f) => f.severity !== "hard").length } });

  const writeAgain = () => here.draft && decide("Asking for another text", async (draft) => {
    const wanted = await ask("POST", at(draft, "again"), {});
    await gone(draft.id, `Another text (${wanted.number}) is being written for ${called(draft)}.`);
  });

  const approveMany = () => here.state === "proposed" && here.chosen.size && busy("Approving many", async () => {
    const ids = [...here.chosen], hard = here.items.filter((item) => here.chosen.has(item.id) && item.found.hard).length;
    const sure = await put(`Approve ${count(ids.length, "draft")}?`, [
      "They are sent from now on, each to those whom it is for. That is kept under the name of your key.",
      hard ? `${count(hard, "of them has", "of them have")} hard findings and will be left for you to look at one by one.` : null], { yes: `Approve ${ids.length - hard}` });
    if (!sure) return;
    const left = [];
    let done = 0;
    try {
      for (let from = 0; from < ids.length; from += PART) {
        progress(from, ids.length); news(`Approving: ${from.toLocaleString("en-GB")} of ${ids.length.toLocaleString("en-GB")} …`);
        const part = ids.slice(from, from + PART), said = await ask("POST", "/v1/drafts/approve", { ids: part });
        done += said.done; left.push(...said.could_not);
        const kept = new Set(said.could_not.map((each) => each.draft));
        const over = new Set(part.filter((id) => !kept.has(id)));
        here.items = here.items.filter((item) => !over.has(item.id));
        for (const id of part) here.chosen.delete(id);
      }
    } finally { progress(null); drawList(); }
    const next = here.shown.find((item) => item.id === here.current) || here.shown[0];
    if (next) await show(next.id, { isQuiet: true }); else { here.current = null; drawDraft(null); }
    news(`${count(done, "draft")} approved${left.length ? `, ${left.length} left` : ""}.`);
    if (left.length) {
      await put(`${count(left.length, "draft")} ${left.length === 1 ? "was" : "were"} left`, `${count(done, "draft")} ${done === 1 ? "is" : "are"} approved.`,
        { inside: [el("ul", {}, left.slice(0, 100).map((each) => el("li", {}, `${[each.message, each.language, each.value].filter(Boolean).join(", ") || each.draft}: ${each.detail}`)))] });
    }
  });
  one("#approve-many").addEventListener("click", approveMany);

  // -- keys ------------------------------------------------------------------------------------------------------

  const keys = one("#keys");
  keys.checked = sessionStorage.getItem(KEYS) !== "off";
  keys.addEventListener("change", () => sessionStorage.setItem(KEYS, keys.checked ? "on" : "off"));
  const KEYED = { j: () => step(1), k: () => step(-1), a: approve, r: reject, t: takeBack, e: edit, x: () => here.current && choose(here.current, !here.chosen.has(here.current)) };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (!here.key || dialog.open || isTyping || !keys.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const doing = KEYED[event.key.toLowerCase()];
    if (doing) { event.preventDefault(); doing(); }
  });

  const asked = new URLSearchParams(location.search).get("state");
  if (STATES.some(([state]) => state === asked)) here.state = asked;
  if (here.key) unlock(); else lock();
})();
