/** The version that Go's linker leaves in a program. @module */

/** A line of the build information: `mod`, the module, its version. */
const MODULE_LINE = new TextEncoder().encode("\nmod\t");
const LINE_BYTES_MAX = 300;

/**
 * The version of the main module in a program's file, e.g. `v1.3.29-0.20241024200314-992173ea7e8c`; undefined when
 * there is none, or `(devel)`.
 */
export function moduleVersionIn(program: Uint8Array): string | undefined {
  for (let from = 0;;) {
    const start = indexOf(program, MODULE_LINE, from);
    if (start < 0) return undefined;
    from = start + MODULE_LINE.length;
    const line = new TextDecoder().decode(program.subarray(from, from + LINE_BYTES_MAX)).split("\n")[0]!;
    const [module, version] = line.split("\t");
    if (/^[\w./-]+$/.test(module!) && /^v\d[\w.+-]*$/.test(version ?? "")) return version;
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0]!, from); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
