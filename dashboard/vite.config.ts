import { defineConfig } from 'vite';

/** Where the hub's sources have the pages; another folder where somebody compares. */
const BUILT = process.env.DASHBOARD_BUILT ?? '../crates/server/dashboard';

/** Runs before the first paint, so it is a file of its own that is not bundled. */
const theme = {
  name: 'theme',
  transformIndexHtml: () => [{ tag: 'script', attrs: { src: '/dashboard/theme.js' }, injectTo: 'head' as const }],
};

export default defineConfig({
  base: '/dashboard/',
  plugins: [theme],
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    outDir: BUILT,
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    modulePreload: false,
    // An image in a style sheet would be a `data:` address, which the policy forbids.
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        // The hub knows the files by name; browsers ask it whether theirs are the newest.
        entryFileNames: 'dashboard.js',
        assetFileNames: 'dashboard[extname]',
        inlineDynamicImports: true,
      },
    },
  },
  // `npm run dev` asks a hub that runs beside it.
  server: { proxy: { '^/(api|health|socket.io|demo)': { target: 'http://127.0.0.1:4001', ws: true } } },
});
