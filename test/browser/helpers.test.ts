import { expect, it } from "vitest";
import { listen, useBrowser } from "./helpers.js";

const open = useBrowser();

it("a page that asks another host for something is found out", async () => {
  const address = await listen((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(
      '<title>a</title><link rel="icon" href="data:,"><script src="https://example.com/a.js"></script>',
    );
  });
  const { page, foreignRequests, errors } = await open(`${address}/`);
  expect(await page.title()).toBe("a");
  expect(foreignRequests).toEqual(["https://example.com/a.js"]);
  expect(errors.join()).toContain("ERR_NAME_NOT_RESOLVED");
});

it("a page that asks its own host only is in order", async () => {
  const address = await listen((request, response) => {
    response.setHeader("content-type", request.url === "/a.js" ? "text/javascript" : "text/html");
    response.end(
      request.url === "/a.js"
        ? 'document.title = "b"'
        : '<title>a</title><link rel="icon" href="data:,"><script src="a.js"></script>',
    );
  });
  const { page, foreignRequests, errors } = await open(`${address}/`);
  expect(await page.title()).toBe("b");
  expect(foreignRequests).toEqual([]);
  expect(errors).toEqual([]);
});
