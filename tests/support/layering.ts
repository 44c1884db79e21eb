/**
 * What a source file may import and touch. Pure: text in, complaints out, so that the checker is tested itself.
 *
 * The text is scanned without comments and without the content of strings, by a small tokenizer: enough for
 * names and import lines, and without a parser to depend on.
 *
 * @module
 */
import { posix } from "node:path";

/** From the street inwards: a folder imports only what stands to the right of it. */
const LAYERS: readonly (readonly string[])[] = [
  ["main.ts"],
  ["commands"],
  ["lib/cli"],
  ["lib/sim"],
  ["lib/visor"],
  ["lib/proxy"],
  ["lib/services"],
  ["lib/control"],
  ["lib/routing"],
  ["lib/transport"],
  ["lib/directory"],
  ["lib/dmsg"],
  ["lib/deployment"],
  ["lib/http"],
  ["lib/yamux", "lib/noise", "lib/kcp"], // none knows another
  ["lib/wire"],
  ["lib/crypto"],
  ["lib/runtime"],
  ["lib/base"],
];

/** Modules of the machine that only `runtime/` may open. */
const FORBIDDEN_MODULES =
  /^node:(fs|net|dgram|http|https|http2|timers|child_process|tls|dns|os|process|worker_threads)(\/|$)/;

/** Names of the machine that only `runtime/` may touch, and how a use of each looks. */
const FORBIDDEN_NAMES: readonly [name: string, use: RegExp][] = [
  ["Deno", /(?<![.\w$])Deno\s*\./],
  ["Date.now", /(?<![.\w$])Date\s*\.\s*now\b/],
  ["new Date()", /(?<![.\w$])new\s+Date\s*(\(\s*\)|(?!\s*\())/],
  ["Date()", /(?<![.\w$])(?<!new\s+)Date\s*\(/],
  ["performance", /(?<![.\w$])performance\s*\./],
  ["setTimeout", /(?<![.\w$])setTimeout\s*\(/],
  ["setInterval", /(?<![.\w$])setInterval\s*\(/],
  ["setImmediate", /(?<![.\w$])setImmediate\s*\(/],
  ["Math.random", /(?<![.\w$])Math\s*\.\s*random\b/],
  ["crypto.getRandomValues", /\bgetRandomValues\b/],
  ["crypto.randomUUID", /\brandomUUID\b/],
  ["crypto.randomBytes", /\brandomBytes\b/],
  [
    "randomness of node:crypto",
    /\b(randomInt|randomFill|randomFillSync|generateKeySync|generateKeyPairSync)\b/,
  ],
  ["turns of the event loop", /(?<![.\w$])(MessageChannel|BroadcastChannel)\b/],
  ["sockets and threads of the web", /\bnew\s+(WebSocket|WebSocketStream|EventSource|Worker)\b/],
  ["the present time of Temporal or Intl", /(?<![.\w$])(Temporal|Intl)\s*\.\s*(Now|DateTimeFormat)\b/],
  ["fetch", /(?<![.\w$#])(?<!function\s+)fetch\s*\((?!.*\)\s*(:[^;{]*)?\{)/],
  ["AbortSignal.timeout", /\bAbortSignal\s*\.\s*timeout\b/],
  ["process", /(?<![.\w$])process\s*\./],
  ["globalThis", /(?<![.\w$])globalThis\b(?!\.crypto\.subtle\b)/], // the ciphers are no door
];

/**
 * Files that may do what others may not, and why.
 *
 * - `main.ts` is the edge of the program: it makes the World, knows the terminal, the arguments and the signals, and
 *   exits. Its own version is data. Nothing imports it, so that it may wait for the end. Everything below gets the
 *   terminal passed in, as the `Io` of `lib/cli/`.
 * - The handshakes of `lib/noise/` are the only maker of proven keys, so that the maker has no public door.
 */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["process", "Deno", "deno.json", "awaits"],
  "lib/noise/handshakes.ts": ["lib/crypto/proven.ts"],
};

export interface Import {
  readonly line: number;
  readonly specifier: string;
}

/** Blanks out comments, and strings too unless `keepStrings`; line numbers stay. Code in `${}` stays code. */
export function blank(source: string, { keepStrings = false } = {}): string {
  let out = "";
  let index = 0;
  const templates: number[] = []; // brace depth at which each open template literal goes on
  let depth = 0;
  let previous = ""; // the last character of code, which tells a regular expression from a division
  const copy = (end: number, visible: boolean) => {
    const text = source.slice(index, end);
    out += visible ? text : text.replace(/[^\n]/g, " ");
    index = end;
  };
  const templateEnd = (start: number): number => {
    let end = start;
    for (; end < source.length; end++) {
      if (source[end] === "\\") end++;
      else if (source[end] === "`") return end + 1;
      else if (source.startsWith("${", end)) {
        templates.push(depth++);
        return end + 2;
      }
    }
    return end;
  };
  while (index < source.length) {
    const rest = source.slice(index, index + 2);
    const char = rest[0]!;
    if (rest === "//") copy(endOf(source, "\n", index), false);
    else if (rest === "/*") copy(endOf(source, "*/", index + 2) + 2, false);
    else if (char === '"' || char === "'") {
      copy(quotedEnd(source, index, char), keepStrings);
      previous = char;
    } else if (char === "`") {
      copy(templateEnd(index + 1), keepStrings);
      previous = char;
    } else if (char === "}" && templates.length > 0 && templates.at(-1) === depth - 1) {
      depth = templates.pop()!;
      copy(templateEnd(index + 1), keepStrings);
      previous = "`";
    } else if (char === "/" && /[(,=:[!&|?{};+\n]|^$/.test(previous)) {
      copy(regexEnd(source, index), keepStrings);
      previous = "/";
    } else {
      if (char === "{") depth++;
      if (char === "}") depth--;
      if (!/\s/.test(char)) previous = char;
      copy(index + 1, true);
    }
  }
  return out;
}

function endOf(source: string, text: string, from: number): number {
  const found = source.indexOf(text, from);
  return found < 0 ? source.length : found;
}

function quotedEnd(source: string, start: number, quote: string): number {
  let end = start + 1;
  while (end < source.length && source[end] !== quote && source[end] !== "\n") {
    end += source[end] === "\\" ? 2 : 1;
  }
  return end + 1;
}

function regexEnd(source: string, start: number): number {
  let isClass = false;
  let end = start + 1;
  for (; end < source.length && source[end] !== "\n"; end++) {
    const char = source[end];
    if (char === "\\") end++;
    else if (char === "[") isClass = true;
    else if (char === "]") isClass = false;
    else if (char === "/" && !isClass) return end + 1;
  }
  return end;
}

/** Every import, re-export, type import and dynamic import. */
export function importsOf(source: string): Import[] {
  const text = blank(source, { keepStrings: true });
  const code = blank(source);
  const found: Import[] = [];
  const pattern = /\bfrom\s*(["'])([^"'\n]+)\1|\bimport\s*\(?\s*(["'])([^"'\n]+)\3/g;
  for (const match of text.matchAll(pattern)) {
    const isCode = /^(from|import)/.test(code.slice(match.index)); // and no text that looks like one
    if (!isCode) continue;
    found.push({ line: lineAt(text, match.index), specifier: match[2] ?? match[4]! });
  }
  return found;
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/**
 * The lines with an `await` that runs while the module is imported: such a module makes all above it wait, and a
 * bundle of them in one file starts some before those that they need. Every other `await` stands behind an `async`
 * of its own statement; a statement of the module begins in the first column, as the formatter writes it.
 */
function topLevelAwaits(source: string): number[] {
  const found: number[] = [];
  let isWithinAsync = false;
  for (const [index, text] of blank(source).split("\n").entries()) {
    if (/^[^\s})\]]/.test(text)) isWithinAsync = false;
    for (const [word] of text.matchAll(/(?<![.\w$#])(?:async|await)\b/g)) {
      if (word === "async") isWithinAsync = true;
      else if (!isWithinAsync) found.push(index + 1);
    }
  }
  return found;
}

/** The layer of a path, as an index of {@link LAYERS}; -1 when it is no part of the house. */
function layerOf(path: string): number {
  return LAYERS.findIndex((layer) => layer.includes(folderOf(path)));
}

/** `lib/wire/gob/x.ts` belongs to `lib/wire`, `commands/keys/gen.ts` to `commands`. */
function folderOf(path: string): string {
  const [first, second] = path.split("/");
  return first === "lib" ? `lib/${second}` : first!;
}

/** A private file is for its folder and the folders in it. */
function isWithin(folder: string, outer: string): boolean {
  return folder === outer || folder.startsWith(`${outer}/`);
}

/** A command takes the parts of `lib/cli/` that it needs one by one: help must not load what draws tables. */
function isLazyPart(own: string, theirs: string): boolean {
  return theirs === "lib/cli" && (own === "commands" || own === "main.ts");
}

/** Everything that is wrong with one file, each as `path:line message`. `path` is relative to the project. */
export function complaintsAbout(
  path: string,
  source: string,
  allowed: readonly string[] = ALLOWED[path] ?? [],
): string[] {
  const complaints: string[] = [];
  const say = (line: number, message: string) => complaints.push(`${path}:${line} ${message}`);
  const layer = layerOf(path);
  if (layer < 0) say(1, `belongs to no layer: ${folderOf(path)}`);
  const isRuntime = folderOf(path) === "lib/runtime";

  for (const { line, specifier } of importsOf(source)) {
    if (!isRuntime && FORBIDDEN_MODULES.test(specifier) && !allowed.includes(specifier)) {
      say(line, `imports ${specifier}: take it from the World`);
    }
    if (!specifier.startsWith(".")) continue;
    const target = posix.join(posix.dirname(path), specifier);
    if (allowed.includes(target)) continue;
    checkTarget(target, (message) => say(line, message));
  }

  function checkTarget(target: string, complain: (message: string) => void): void {
    const [own, theirs] = [folderOf(path), folderOf(target)];
    const isPrivate = posix.basename(target).startsWith("_");
    if (isPrivate && !isWithin(posix.dirname(path), posix.dirname(target))) {
      return complain(`imports ${target}, which is private to its folder`);
    }
    if (own === theirs || own === "main.ts" && theirs === "commands") return;
    const targetLayer = layerOf(target);
    if (targetLayer < 0) return complain(`imports ${target}, which belongs to no layer`);
    if (targetLayer <= layer) complain(`imports ${target}, which is not below ${own}`);
    if (theirs.startsWith("lib/") && posix.basename(target) !== "mod.ts" && !isLazyPart(own, theirs)) {
      complain(`imports ${target}: a folder is entered by its mod.ts`);
    }
  }

  if (!allowed.includes("awaits")) {
    for (const line of topLevelAwaits(source)) {
      say(line, "awaits while it is imported: begin at the first use");
    }
  }

  for (const { index } of blank(source).matchAll(/(?<![.\w$#])import\s*\(\s*[^\s),]/g)) {
    say(lineAt(source, index), "imports by a name that is computed: a bundle would not hold it");
  }

  if (!isRuntime) {
    const code = blank(source).split("\n");
    for (const [index, text] of code.entries()) {
      for (const [name, use] of FORBIDDEN_NAMES) {
        if (use.test(text) && !allowed.includes(name)) {
          say(index + 1, `touches ${name}: take it from the World`);
        }
      }
    }
  }
  return complaints;
}
