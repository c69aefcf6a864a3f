// How the base binary is fetched
import $ from "@david/dax";
import { assertEquals, assertRejects } from "@std/assert";
import { download } from "./denort.ts";

/** Downloads what a server sends byte by byte, with a pause after each. */
async function fetchSlowly(
  bytes: number,
  pause: () => Promise<void>,
  patience: number,
): Promise<string> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    let sent = 0;
    return new Response(
      new ReadableStream({
        async pull(body) {
          if (sent++ === bytes) return body.close();
          body.enqueue(new TextEncoder().encode("x"));
          await pause();
        },
      }),
    );
  });
  const file = await Deno.makeTempFile();
  try {
    await download(`http://127.0.0.1:${server.addr.port}/`, file, patience);
    return await Deno.readTextFile(file);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("a download whose server falls silent ends", async () => {
  await assertRejects(
    () => fetchSlowly(2, () => new Promise(() => {}), 200),
    Error,
    "is silent for 0.2 s",
  );
});

Deno.test("a download may take long as long as something comes", async () => {
  assertEquals(await fetchSlowly(8, () => $.sleep(100), 600), "xxxxxxxx");
});
