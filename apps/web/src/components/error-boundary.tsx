import { Component, type ReactNode } from 'react';
import { language } from '../i18n/index.ts';

/** The last net: unsent messages are in the outbox, so a reload loses nothing. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    if (!this.state.crashed) return this.props.children;
    const { t } = language.getSnapshot();
    return (
      <main className="crash" role="alert">
        <h1>{t.crashed}</h1>
        <p>{t.crashedHint}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          {t.reload}
        </button>
      </main>
    );
  }
}
