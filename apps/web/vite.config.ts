import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `npm run dev` finds the server; the built app is served by it and needs no such thing. */
const DEV_SERVER = process.env.GAPLESS_DEV_SERVER ?? 'http://127.0.0.1:9001';

// The server sends a strict CSP, hence: nothing inlined, no preload polyfill.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/v1': DEV_SERVER, '/sse': DEV_SERVER, '/ws': { target: DEV_SERVER, ws: true } },
  },
});
