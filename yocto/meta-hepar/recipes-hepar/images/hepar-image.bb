require hepar-image.inc
