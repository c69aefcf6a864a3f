// What every chart of the project is made of. Pure.

/** A text of an SVG; `kind` is its class. */
export function text(content: string, x: number, y: number, kind = ""): string {
  return `<text${kind && ` class="${kind}"`} x="${px(x)}" y="${px(y)}">${escape(content)}</text>`;
}

/** Text as XML can hold it. */
export function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A tenth of a pixel is enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
