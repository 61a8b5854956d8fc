// The page's frame: which page an address means, the bar above it, and whether the server is there.

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { logIn, takeToken } from "./api.js";
import { ComparePage } from "./ComparePage.js";
import { LiveContext, useLive, useStored } from "./hooks.js";
import { Live } from "./live.js";
import { RunPage, type View, views } from "./RunPage.js";
import { RunsPage } from "./RunsPage.js";
import "./pages.css";
import "./charts.css";
import "./explore.css";

type Route =
  | { page: "runs" }
  | { page: "run"; name: string; view: View }
  | { page: "compare"; names: string[] };

function routeOf(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decode);
  const [page, name, view = ""] = parts;
  if (page === "run" && name !== undefined) return { page, name, view: view in views ? (view as View) : "" };
  if (page === "compare" && parts.length > 2) return { page, names: [...new Set(parts.slice(1, 9))] };
  return { page: "runs" };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function App() {
  const live = useLive();
  const [route, setRoute] = useState(() => routeOf(location.hash));
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const onChange = () => {
      setRoute((old) => {
        const next = routeOf(location.hash);
        // A new page is read from its top; a new view of the same run keeps its place.
        if (!(old.page === "run" && next.page === "run" && old.name === next.name)) {
          scrollTo(0, 0);
          main.current?.focus({ preventScroll: true });
        }
        return next;
      });
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);

  // A page opened for a training follows it to its run.
  const training = live.session?.training;
  const followed = useRef(false);
  useEffect(() => {
    if (followed.current || training?.state !== "run") return;
    followed.current = true;
    if (route.page === "runs" && sessionStorage.getItem("stylegan-followed") !== training.run) {
      sessionStorage.setItem("stylegan-followed", training.run);
      location.hash = `#/run/${encodeURIComponent(training.run)}`;
    }
  }, [training, route.page]);

  return (
    <>
      <header class="bar">
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          To the content
        </button>
        <a class="brand" href="#/">
          stylegan
        </a>
        {route.page === "runs" ? null : (
          <nav aria-label="Where you are">
            <a href="#/">Runs</a>
          </nav>
        )}
        <span class="grow" />
        <ThemeButton />
      </header>
      <div class="loss-place" role="status">
        {live.refusal !== null ? (
          <p class="loss">
            <strong>The server does not let this page look:</strong> {live.refusal}.
          </p>
        ) : live.connection === "lost" ? (
          <p class="loss">
            <strong>The server cannot be reached.</strong> What you see is from before; this page goes on by
            itself when it is back. After a training has ended, <code>stylegan serve</code> shows it.
          </p>
        ) : null}
      </div>
      <main id="main" ref={main} tabIndex={-1}>
        {route.page === "run" ? (
          <RunPage key={route.name} name={route.name} view={route.view} />
        ) : route.page === "compare" ? (
          <ComparePage key={route.names.join()} names={route.names} />
        ) : (
          <RunsPage />
        )}
      </main>
    </>
  );
}

const themes = ["auto", "light", "dark"] as const;

function ThemeButton() {
  const [theme, setTheme] = useStored<(typeof themes)[number]>("theme", "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => setTheme(next)}
      aria-label={`Colours: ${theme}. Change to ${next}`}
    >
      {{ auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme]}
    </button>
  );
}

takeToken();
const live = new Live();
void logIn().then(() => live.start());
render(
  <LiveContext.Provider value={live}>
    <App />
  </LiveContext.Provider>,
  document.getElementById("app") as HTMLElement,
);
