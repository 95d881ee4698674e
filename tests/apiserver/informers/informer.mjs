// An informer of the JavaScript client that says, a line each, what it was told: TYPE NAME REVISION.
// Asked by a line on its input, it says what it knows: one line of JSON, revisions by name.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [packages, kubeconfig, namespace] = process.argv.slice(2);
const library = `${packages}/node_modules/@kubernetes/client-node/dist/index.js`;
const k8s = await import(pathToFileURL(library));

const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const list = () => core.listNamespacedConfigMap({ namespace });
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const informer = k8s.makeInformer(config, path, list);

const say = (type) => (object) =>
  console.log(`${type} ${object.metadata.name} ${object.metadata.resourceVersion}`);
informer.on("add", say("ADDED"));
informer.on("update", say("MODIFIED"));
informer.on("delete", say("DELETED"));
// As the library's documentation has it: an error ends the informer, which is to be started again.
informer.on("error", () => setTimeout(() => informer.start(), 20));
createInterface({ input: process.stdin }).on("line", () => {
  const known = informer.list(namespace).map((o) => [o.metadata.name, o.metadata.resourceVersion]);
  console.log(JSON.stringify(Object.fromEntries(known)));
});
await informer.start();
