import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// Nothing is inlined: the page's Content-Security-Policy lets in files of its own origin only.
export default defineConfig({
  base: "./",
  plugins: [preact({ devToolsEnabled: false })],
  build: {
    outDir: "../src/lateen/console/dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600, // the worker that lays the graph out is one file, loaded when needed
    target: "es2022",
  },
});
