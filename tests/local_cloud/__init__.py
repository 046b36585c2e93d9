"""The local cloud: ministack with the application deployed to it by the real `sam build` and `sam deploy`."""
