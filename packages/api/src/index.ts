export { createTokenSigner } from './auth/signer.ts';
export { createTokenVerifier, type VerifierOptions } from './auth/verifier.ts';
export type { LogSampling, Readiness } from './route.ts';
export { type ApiDeps, createApi, openApiDocument } from './server.ts';
