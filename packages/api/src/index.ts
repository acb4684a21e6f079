export type { Addressed } from './auth/claims.ts';
export { createTokenSigner } from './auth/signer.ts';
export { createTokenVerifier, type VerifierOptions } from './auth/verifier.ts';
export type { Admit, LiveSettings, LiveStreams, LogSampling, Readiness } from './route.ts';
export { type ApiDeps, createApi, openApiDocument } from './server.ts';
