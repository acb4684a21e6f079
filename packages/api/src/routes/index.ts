import type { Route } from '../route.ts';
import { adminRoutes } from './admin.ts';
import { authRoutes } from './auth.ts';
import { conversationRoutes } from './conversations.ts';
import { liveRoutes } from './live.ts';
import { messageRoutes } from './messages.ts';
import { operationRoutes } from './operations.ts';
import { roomRoutes } from './rooms.ts';
import { sessionRoutes } from './sessions.ts';

/** Every route of the HTTP API. */
export const ROUTES: readonly Route[] = [
  ...authRoutes,
  ...sessionRoutes,
  ...conversationRoutes,
  ...messageRoutes,
  ...liveRoutes,
  ...roomRoutes,
  ...adminRoutes,
  ...operationRoutes,
];
