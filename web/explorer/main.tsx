// The exported page: the explorer on the model in the folder `model`, its settings in the address.

import { render } from "preact";
import { Explorer } from "./Explorer.js";
import { viewFromHash, viewToHash } from "./link.js";
import type { Backend } from "./messages.js";

const backends: readonly (string | null)[] = ["webgpu", "wasm"] satisfies Backend[];
const asked = new URLSearchParams(location.search).get("backend");

function Page() {
  return (
    <>
      <h1>Latent explorer</h1>
      <Explorer
        modelUrl={new URL("model/model.json", document.baseURI).href}
        backend={backends.includes(asked) ? (asked as Backend) : undefined}
        initial={viewFromHash(location.hash)}
        onView={(view) => history.replaceState(null, "", viewToHash(view))}
      />
    </>
  );
}

render(<Page />, document.getElementById("explorer") as HTMLElement);
