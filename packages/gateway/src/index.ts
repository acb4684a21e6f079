export type { GatewayDeps } from './context.ts';
export { Gateway } from './gateway.ts';
export { FEATURES } from './handlers/auth.ts';
export { type Backpressure, GATEWAY_LIMITS, type GatewayLimits } from './limits.ts';
export { type GatewayMetrics, noMetrics } from './metrics.ts';
export { serveWebSocket, type WebSocketOptions } from './ws.ts';
